package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// hammer has writers write in all ways at once and remembers what they committed.
type hammer struct {
	*probe
	handles []*handle

	mu        sync.Mutex
	committed map[uuid.UUID]bool
	stepped   chan struct{} // closed at the next step of a writer
	done      bool          // the last writer has ended
}

const (
	hammerWriters = 6
	hammerRounds  = 25
)

func (p *probe) newHammer() *hammer {
	return &hammer{probe: p, handles: p.handlePair(), committed: make(map[uuid.UUID]bool), stepped: make(chan struct{})}
}

// step lets the readers look: after a commit, and between the appends of a transaction.
func (h *hammer) step(done bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = done
	close(h.stepped)
	h.stepped = make(chan struct{})
}

// read calls look after every step of the writers, and a last time when they have ended.
func (h *hammer) read(ctx context.Context, look func() error) error {
	for {
		h.mu.Lock()
		stepped, done := h.stepped, h.done
		h.mu.Unlock()
		if err := look(); err != nil || done {
			return err
		}
		select {
		case <-stepped:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// write runs the writers to their end.
func (h *hammer) write() {
	h.together(hammerWriters, func(ctx context.Context, i int) error {
		w := &hammerWriter{hammer: h, handle: h.handles[i%len(h.handles)], rng: rand.New(rand.NewPCG(uint64(i), 1)),
			own: named("own %d", i)}
		w.transactor, _ = w.drv.(driver.Transactor)
		for round := range hammerRounds {
			if err := w.round(ctx, round); err != nil {
				return fmt.Errorf("round %d: %w", round+1, err)
			}
			h.step(false)
		}
		return nil
	})
	h.step(true)
}

// hammerWriter is one of the writers. Inside a transaction it writes to its own stream alone, so that no two writers
// ever wait for each other.
type hammerWriter struct {
	*hammer
	*handle
	transactor driver.Transactor // nil if there is none
	rng        *rand.Rand
	own        driver.StreamID
}

func (w *hammerWriter) round(ctx context.Context, n int) error {
	shared := driver.StreamID{Type: "shared", ID: fmt.Sprint(w.rng.IntN(2))}
	switch n % 5 {
	case 0:
		return w.commits(ctx, write(w.own, driver.Any, w.some()...), write(shared, driver.Any, w.some()...))
	case 1:
		return w.conflicts(ctx)
	case 2, 3:
		return w.transaction(ctx, n%5 == 2)
	default:
		return w.commits(ctx, write(shared, driver.Any, w.some()...))
	}
}

func (w *hammerWriter) some() []driver.Event {
	list := events(1 + w.rng.IntN(3))
	for i := range list {
		list[i].Type = []string{"odd", "even"}[w.rng.IntN(2)]
	}
	return list
}

func (w *hammerWriter) commits(ctx context.Context, writes ...driver.Write) error {
	_, err := w.commit(ctx, writes...)
	if err == nil {
		w.remember(writes...)
	}
	return err
}

func (h *hammer) remember(writes ...driver.Write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range writes {
		for _, e := range w.Events {
			h.committed[e.ID] = true
		}
	}
}

func (w *hammerWriter) conflicts(ctx context.Context) error {
	_, err := w.commit(ctx, write(w.own, driver.Any, w.some()...), write(named("missing"), 7, w.some()...))
	var conflict *driver.ConflictError
	if !errors.As(err, &conflict) {
		return fmt.Errorf("commit with an expectation that is not met: %w", err)
	}
	return nil
}

// transaction appends twice, with others in between, and commits or rolls back.
func (w *hammerWriter) transaction(ctx context.Context, commit bool) error {
	writes := []driver.Write{write(w.own, driver.Any, w.some()...), write(w.own, driver.Any, w.some()...)}
	if w.transactor == nil {
		return nil
	}
	err := w.transactor.Transact(ctx, func(ctx context.Context) error {
		for _, one := range writes {
			if _, err := w.commit(ctx, one); err != nil {
				return err
			}
			w.step(false)
		}
		if !commit {
			return errRollback
		}
		return nil
	})
	switch {
	case err == nil:
		w.remember(writes...)
	case errors.Is(err, errRollback):
		err = nil
	}
	return err
}

// check ends the case unless the log is what was committed.
func (h *hammer) check() []driver.Record {
	all := h.log()
	byStream := make(map[driver.StreamID][]driver.Record)
	for _, r := range all {
		h.that(h.committed[r.ID], "position %d holds an event that was not committed, or a second time", r.Position)
		delete(h.committed, r.ID)
		byStream[r.Stream] = append(byStream[r.Stream], r)
	}
	h.equal(0, len(h.committed), "number of committed events that are not in the log")
	for _, records := range byStream {
		h.contiguous(records)
	}
	return all
}
