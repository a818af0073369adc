package drivertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// client makes one call after the other.
type client struct {
	*round
	batches
	name  string
	store *eventstore.Store
}

// newClient returns the i-th client; -1 is the one that settles what the others left open.
func (r *round) newClient(i int) *client {
	c := &client{round: r, batches: newBatches(r.known, r.opts.Seed, r.number, i), name: fmt.Sprintf("client %d", i+1)}
	if i < 0 {
		i, c.name = 0, "settling"
	}
	c.store = r.stores[i%len(r.stores)]
	return c
}

func (c *client) work(ctx context.Context) {
	for range c.opts.Calls {
		if c.act(ctx); ctx.Err() != nil || c.broken() != nil {
			return
		}
	}
}

func (c *client) act(ctx context.Context) {
	switch n := c.batches.rng.IntN(100); {
	case n < 40:
		c.retrying(ctx, part{batch: c.fresh(c.stream())})
	case n < 54:
		if b := c.repeated(); b != nil {
			c.retrying(ctx, part{batch: b})
		}
	case n < 64:
		c.retrying(ctx, c.several()...)
	case n < 75:
		c.transact(ctx)
	case n < 92:
		c.read(ctx, nil)
	default:
		c.page(ctx)
	}
}

// several is parts of one call, on different streams.
func (c *client) several() []part {
	var parts []part
	for range 2 + c.batches.rng.IntN(2) {
		b := c.fresh(c.stream())
		if again := c.repeated(); again != nil && c.batches.rng.IntN(6) == 0 {
			b = again
		}
		if !clashing(parts, b) {
			parts = append(parts, part{batch: b})
		}
	}
	return parts
}

// retrying appends with some expectations, and most often again for as long as the outcome is unknown.
func (c *client) retrying(ctx context.Context, parts ...part) {
	for i := range parts {
		parts[i].expected = c.expected(parts[i].stream)
	}
	for ctx.Err() == nil && c.broken() == nil {
		limited, cancel := c.impatient(ctx)
		a := c.append(limited, nil, parts)
		cancel()
		if a.outcome != unknown || c.batches.rng.IntN(5) == 0 {
			return
		}
		pauseFor(ctx, outage)
	}
}

// impatient returns a context for a call that the client may give up on.
func (c *client) impatient(ctx context.Context) (context.Context, context.CancelFunc) {
	if !c.cancels || c.batches.rng.IntN(8) > 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(c.batches.rng.IntN(3000))*time.Microsecond)
}

// insist appends until the outcome is known.
func (c *client) insist(ctx context.Context, p part) error {
	for {
		a := c.append(ctx, nil, []part{p})
		if a.outcome != unknown && a.outcome != nothing {
			return nil
		}
		if c.broken() != nil || ctx.Err() != nil {
			return fmt.Errorf("settle what nobody knows the outcome of: %w", a.err)
		}
	}
}

// append makes the call and records it.
func (c *client) append(ctx context.Context, within *transactionCall, parts []part) *appendCall {
	writes := make([]eventstore.Write, len(parts))
	for i, p := range parts {
		writes[i] = eventstore.Write{Stream: p.stream, Expected: p.expected, Events: p.events}
	}
	a := &appendCall{span: span{by: c.name, begin: c.rec.tick()}, parts: slices.Clone(parts), within: within}
	a.receipts, a.err = c.store.AppendAll(ctx, writes...)
	a.end = c.rec.tick()
	c.judgeAppend(ctx, a)
	record(c.rec, &c.rec.appends, a)
	if within != nil {
		within.steps = append(within.steps, a)
	}
	return a
}

// judgeAppend tells the outcome, and finds answers that no call may be given.
func (c *client) judgeAppend(ctx context.Context, a *appendCall) {
	switch {
	case a.err == nil:
		c.judgeReceipts(a)
	case errors.As(a.err, &a.conflict):
		a.outcome = conflicted
	case errors.Is(a.err, eventstore.ErrIdempotency):
		a.outcome = misused
	default:
		var ok bool
		if a.outcome, ok = c.allowed(ctx, a.err); !ok {
			c.fail(violation(typedErrors, fmt.Sprintf("the context of the call: %v", ctx.Err()), a))
		}
	}
}

func (c *client) judgeReceipts(a *appendCall) {
	a.outcome = stored
	if len(a.receipts) != len(a.parts) {
		c.fail(violation(receiptsMatch, "as many receipts as writes", a))
		return
	}
	for i, receipt := range a.receipts {
		if receipt.Stream != a.parts[i].stream || receipt.Duplicate != a.receipts[0].Duplicate {
			c.fail(violation(receiptsMatch, "the receipts are not those of one call for these streams", a))
		}
		if receipt.Duplicate {
			a.outcome = duplicate
		}
		if a.within == nil {
			c.learn(receipt.Stream, receipt.Version, receipt.Position)
		}
	}
}

var errChangedMind = errors.New("the client changed its mind")

// transact appends and reads some times in a transaction, in one order of the streams, so that no two of them wait for
// each other, and rolls it back now and then.
func (c *client) transact(ctx context.Context) {
	ctx, cancel := c.impatient(ctx)
	defer cancel()
	t := &transactionCall{span: span{by: c.name}}
	streams := []eventstore.StreamID{c.stream(), c.stream(), c.stream()}[:1+c.batches.rng.IntN(3)]
	slices.SortFunc(streams, func(a, b eventstore.StreamID) int { return cmp.Compare(a.String(), b.String()) })
	t.begin = c.rec.tick()
	ended := false
	t.err = c.store.Transact(ctx, func(ctx context.Context) error {
		err := c.inside(ctx, t, streams)
		ended = err != nil
		return err
	})
	t.end = c.rec.tick()
	if errors.Is(t.err, eventstore.ErrNotSupported) {
		return
	}
	c.judgeTransaction(ctx, t, ended)
	record(c.rec, &c.rec.transactions, t)
}

func (c *client) inside(ctx context.Context, t *transactionCall, streams []eventstore.StreamID) error {
	for _, stream := range streams {
		b := c.fresh(stream)
		if again := c.repeated(); again != nil && again.stream == stream && c.batches.rng.IntN(4) == 0 {
			b = again
		}
		a := c.append(ctx, t, []part{{b, c.expected(stream)}})
		if a.outcome == unknown || a.outcome == nothing {
			return a.err
		}
		if c.batches.rng.IntN(3) == 0 {
			c.read(ctx, t)
		}
	}
	if c.batches.rng.IntN(3) == 0 {
		return errChangedMind
	}
	return nil
}

// judgeTransaction tells the outcome. rolledBack says that the function returned an error, so that nobody asked for a
// commit.
func (c *client) judgeTransaction(ctx context.Context, t *transactionCall, rolledBack bool) {
	ok := true
	switch {
	case t.err == nil && !rolledBack:
		t.outcome = stored
	case rolledBack:
		t.outcome, ok = nothing, t.err != nil
	default:
		t.outcome, ok = c.allowed(ctx, t.err)
	}
	if !ok {
		c.fail(violation(typedErrors, fmt.Sprintf("the context of the transaction: %v", ctx.Err()), t))
	}
	for _, step := range t.steps {
		if a, ok := step.(*appendCall); ok && a.outcome == stored && t.outcome == stored {
			c.learn(a.receipts[0].Stream, a.receipts[0].Version, a.receipts[0].Position)
		}
	}
}
