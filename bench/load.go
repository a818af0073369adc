package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
)

const nameSnapshot = "Tidemark, from a snapshot"

// cart is the aggregate that is loaded.
type cart struct {
	aggregate.Root[lineAdded]
	state cartState
}

type cartState struct {
	Lines    int   `json:"lines"`
	Quantity int   `json:"quantity"`
	Total    int64 `json:"total"`
}

func newCart(id string) *cart {
	c := new(cart)
	c.Init(id, c.apply)
	return c
}

func (c *cart) apply(e lineAdded) {
	c.state.Lines++
	c.state.Quantity += e.Quantity
	c.state.Total += int64(e.Quantity) * e.Price
}

// Snapshot implements aggregate.Snapshotter.
func (c *cart) Snapshot() (any, error) { return c.state, nil }

// Restore implements aggregate.Snapshotter.
func (c *cart) Restore(state any) error {
	s, ok := state.(cartState)
	if !ok {
		return fmt.Errorf("a cart can't be restored from a %T", state)
	}
	c.state = s
	return nil
}

const (
	carts      = 20           // of each size
	tail       = 5            // events after a snapshot
	snapshoted = "ordersnaps" // the type of the streams with snapshots
)

func loads() []contest {
	var list []contest
	for _, dbms := range databases() {
		for _, n := range []int{10, 100, 1000} {
			list = append(list, contest{
				name:  fmt.Sprintf("%s/load/%d", dbms, n),
				title: fmt.Sprintf("%s: load an aggregate of %s", title(dbms), count(n, "event")),
				unit:  "loads/s",
				enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterLoad(ctx, dbms, n) },
			})
		}
	}
	return list
}

func (b *bench) enterLoad(ctx context.Context, dbms string, n int) ([]entrant, error) {
	t, err := b.on(ctx, dbms)
	if t == nil || err != nil {
		return nil, err
	}
	if err := t.fillCarts(ctx, n); err != nil {
		return nil, err
	}
	plain, err := t.plainLoad(ctx)
	if err != nil {
		return nil, err
	}
	b.note("the snapshot stands %d events before the end", tail)
	list := []entrant{loadEntrant(nameSelectJSON, limit, b.scale.turn, n, plain)}
	for _, c := range []struct{ name, streamType string }{{nameTidemark, streamType}, {nameSnapshot, snapshoted}} {
		repo, err := repository.New(t.store, c.streamType, newCart, &repository.Options{Snapshots: repository.Never})
		if err != nil {
			return nil, err
		}
		list = append(list, loadEntrant(c.name, ours, b.scale.turn, n, func(ctx context.Context, id string) (cartState, error) {
			c, err := repo.Load(ctx, id)
			if err != nil {
				return cartState{}, err
			}
			return c.state, nil
		}))
	}
	return list, nil
}

// loadEntrant loads aggregate after aggregate.
func loadEntrant(name string, k kind, turn time.Duration, n int,
	load func(ctx context.Context, id string) (cartState, error)) entrant {
	return entrant{name: name, kind: k, turn: func(ctx context.Context) (sample, error) {
		var took []time.Duration
		began := time.Now()
		for last := began; last.Sub(began) < turn; {
			state, err := load(ctx, strconv.Itoa(len(took)%carts))
			if err := errors.Join(err, expect("lines", state.Lines, n)); err != nil {
				return sample{}, err
			}
			now := time.Now()
			took = append(took, now.Sub(last))
			last = now
		}
		s := perSecond(len(took), time.Since(began))
		s.p50, s.p99 = percentile(took, 0.5), percentile(took, 0.99)
		return s, nil
	}}
}

func (t *tidemark) fillCarts(ctx context.Context, n int) error {
	for i := range carts {
		events := newEvents(i*n, n)
		for _, typ := range []string{streamType, snapshoted} {
			stream := eventstore.StreamID{Type: typ, ID: strconv.Itoa(i)}
			if _, err := t.store.Append(ctx, stream, eventstore.NoStream, toAppend(events)...); err != nil {
				return err
			}
		}
		c := newCart(strconv.Itoa(i))
		for _, e := range events[:n-tail] {
			c.apply(e.payload.(lineAdded))
		}
		if err := t.store.SaveSnapshot(ctx, eventstore.Snapshot{Stream: eventstore.StreamID{Type: snapshoted, ID: c.ID()},
			Version: int64(n - tail), State: c.state}); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

func (t *tidemark) plainLoad(ctx context.Context) (func(ctx context.Context, id string) (cartState, error), error) {
	st, err := t.raw.PreparexContext(ctx, t.raw.Rebind("SELECT "+plainColumns+" FROM "+t.table+
		" WHERE stream_type = ? AND stream_id = ? ORDER BY version"))
	return func(ctx context.Context, id string) (cartState, error) {
		p := plainReader{decode: true}
		err := p.read(ctx, st, streamType, id)
		return cartState{Lines: p.events, Quantity: p.quantity}, err
	}, err
}
