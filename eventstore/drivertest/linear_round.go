package drivertest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// The events of a history, of two types so that readers can filter.
type (
	oddNote  noted
	evenNote noted
)

// round is one history: clients at work on streams that nobody has used before, and what they recorded.
type round struct {
	*probe
	opts   *HistoryOptions
	number int
	rng    *rand.Rand
	stores []*eventstore.Store // one on each handle
	start  int64               // the tide mark before the first call
	rec    *recording
	known  *knowledge
	truth  *truth // once nobody writes any more
	contents

	cancels bool // clients give up on some of their calls

	mu        sync.Mutex
	violation error // the first answer that nobody may be given
}

func newRound(p *probe, o *HistoryOptions, number int) (*round, error) {
	r := &round{probe: p, opts: o, number: number, rng: rand.New(rand.NewPCG(o.Seed, uint64(number))), rec: new(recording)}
	r.contents.seed = maphash.MakeSeed()
	r.cancels = r.rng.IntN(2) == 0
	r.rec.faults = o.Disturb != nil || p.db.Disconnect != nil && r.rng.IntN(3) == 0
	r.known = newKnowledge(number, 1+r.rng.IntN(5))
	err := p.run(func(p *probe) { r.open() })
	if err == nil {
		r.start, err = r.stores[0].Head(p.ctx)
	}
	if err != nil {
		return r, fmt.Errorf("begin round %d: %w", number, err)
	}
	return r, nil
}

// open gives the round a store on each of two handles, which now and then are new ones, as after a restart.
func (r *round) open() {
	if r.number > 1 && r.db.Reopen != nil && r.rng.IntN(2) == 0 {
		r.restart()
	}
	if len(r.live()) < 2 && r.db.Reopen != nil {
		r.another()
	}
	for _, h := range r.live() {
		r.stores = append(r.stores, h.historic())
	}
}

func (p *probe) live() []*handle {
	var live []*handle
	for _, h := range p.handles {
		if !h.closed {
			live = append(live, h)
		}
	}
	return live
}

// historic returns a store that knows the events of histories and polls as it does by default.
func (h *handle) historic() *eventstore.Store {
	if h.store == nil {
		reg := serializer.NewRegistry(nil)
		serializer.Register[oddNote](reg, "odd")
		serializer.Register[evenNote](reg, "even")
		var err error
		h.store, err = eventstore.New(h.drv, reg, &eventstore.Options{Logger: slog.New(slog.DiscardHandler)})
		h.p.ok(err, "make an eventstore.Store of the driver")
	}
	return h.store
}

// play runs the clients to their end, settles what they left open, and has the readers come to the end of the log.
func (r *round) play() error {
	ctx, cancel := context.WithTimeout(r.ctx, r.patience)
	defer cancel()
	disturbed := r.disturb(ctx)
	readers := r.follow(ctx)
	var clients sync.WaitGroup
	for i := range r.opts.Clients {
		c := r.newClient(i)
		clients.Go(func() { r.guarded(c.name, func() { c.work(ctx) }) })
	}
	clients.Wait()
	err := disturbed()
	for _, then := range []func(ctx context.Context) error{r.settle, readers.finish} {
		if err == nil && r.broken() == nil {
			err = then(ctx)
		}
	}
	stuck := ctx.Err() != nil && r.ctx.Err() == nil
	cancel()
	readers.Wait()
	switch v := r.broken(); {
	case v != nil:
		return v
	case stuck && err != nil:
		return violation(everythingEnds, fmt.Sprintf("calls were still under way after %v; the last one to end: %v", r.patience, err))
	default:
		return err
	}
}

// guarded makes a panic of the driver's a violation.
func (r *round) guarded(name string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			r.fail(violation(typedErrors, fmt.Sprintf("%s: panic: %v\n%s", name, p, debug.Stack())))
		}
	}()
	f()
}

// disturb cuts connections until the function that it returns is called.
func (r *round) disturb(ctx context.Context) (stop func() error) {
	if !r.rec.faults {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.disturbance()(ctx) }()
	return func() error {
		early := len(done) > 0
		cancel()
		if err := <-done; early && err != nil {
			return fmt.Errorf("disturb the history: %w", err)
		}
		return nil
	}
}

func (r *round) disturbance() func(ctx context.Context) error {
	if r.opts.Disturb != nil {
		return r.opts.Disturb
	}
	return func(ctx context.Context) error {
		for ctx.Err() == nil {
			if err := r.db.Disconnect(ctx); err != nil {
				return err
			}
			pauseFor(ctx, 50*time.Millisecond)
		}
		return nil
	}
}

// outage is how long to wait before another try while the database can't be reached.
const outage = time.Millisecond

func pauseFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// settle sends everything again whose outcome nobody knows, so that nothing is under way any more when it returns.
func (r *round) settle(ctx context.Context) error {
	c := r.newClient(-1)
	for _, b := range r.rec.unsettled() {
		if err := c.insist(ctx, part{batch: b, expected: eventstore.Any}); err != nil {
			return err
		}
	}
	return nil
}

// unsettled returns the batches of which no call has said whether they are stored.
func (r *recording) unsettled() []*batch {
	settled, open := make(map[*batch]bool), []*batch(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.appends {
		for _, p := range a.parts {
			settled[p.batch] = settled[p.batch] || a.within == nil && (a.outcome == stored || a.outcome == duplicate)
		}
	}
	for _, a := range r.appends {
		for _, p := range a.parts {
			if a.result() == unknown && len(p.events) > 0 && !settled[p.batch] {
				settled[p.batch] = true
				open = append(open, p.batch)
			}
		}
	}
	return open
}

// result is the outcome once the transaction around the call has ended.
func (c *appendCall) result() outcome {
	if c.within != nil && c.outcome == stored {
		return c.within.outcome
	}
	return c.outcome
}

// fail keeps the first violation that shows in an answer by itself.
func (r *round) fail(v *Violation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.violation == nil {
		r.violation = v
	}
}

func (r *round) broken() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.violation
}

// again makes a call again that lost its connection or a race.
func again(ctx context.Context, call func() error) error {
	for {
		if err := call(); !eventstore.Retryable(err) || ctx.Err() != nil {
			return err
		}
		pauseFor(ctx, outage)
	}
}

// ended reports whether an error says that the context has ended. A deadline may pass a moment before the context hears of
// it.
func ended(ctx context.Context, err error) bool {
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) && errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// allowed reports whether a call may fail with an error, and what that says about what it wrote.
func (r *round) allowed(ctx context.Context, err error) (outcome, bool) {
	switch {
	case ended(ctx, err):
		return unknown, true
	case errors.Is(err, driver.ErrUnavailable):
		return unknown, r.rec.faults
	case errors.Is(err, driver.ErrRace):
		return nothing, true
	default:
		return unknown, false
	}
}
