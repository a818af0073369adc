package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/tidemark-go/tidemark/eventstore"
)

// read reads a stream, or a part of it. A read that fails shows nothing.
func (c *client) read(ctx context.Context, within *transactionCall) {
	call := &readCall{span: span{by: c.name}, stream: c.stream(), opts: c.selection(), within: within}
	if c.readAs(ctx, call) && within != nil {
		within.steps = append(within.steps, call)
	}
}

// readAs makes the call and records it if it succeeds.
func (c *client) readAs(ctx context.Context, call *readCall) bool {
	call.begin = c.rec.tick()
	for e, err := range c.store.Stream(ctx, call.stream, &call.opts) {
		if err != nil {
			c.readFailed(ctx, &call.span, "read "+call.stream.String(), err)
			return false
		}
		call.got = append(call.got, c.entry(&e))
	}
	call.end = c.rec.tick()
	record(c.rec, &c.rec.reads, call)
	return true
}

func (r *round) readFailed(ctx context.Context, s *span, what string, err error) {
	if _, ok := r.allowed(ctx, err); !ok {
		s.end = r.rec.tick()
		r.fail(violation(typedErrors, fmt.Sprintf("%s, from tick %d, %s: %v (its context: %v)", s.by, s.begin, what, err, ctx.Err())))
	}
}

// selection is the whole stream every other time.
func (c *client) selection() eventstore.StreamOptions {
	rng, n := c.batches.rng, c.version(c.streams[0])+2
	if rng.IntN(2) == 0 {
		return eventstore.StreamOptions{}
	}
	return eventstore.StreamOptions{From: rng.Int64N(n), To: choose(rng, 0, 0, rng.Int64N(n)), Limit: choose(rng, 0, 0, 1, 5),
		Backward: rng.IntN(2) == 0}
}

func (c *client) page(ctx context.Context) {
	after := c.start
	if top := c.top(); top > after {
		after += c.batches.rng.Int64N(top - after + 1)
	}
	call := &pageCall{span: span{by: c.name}, after: after, opts: someOptions(c.batches.rng)}
	call.opts.Limit = 1 + c.batches.rng.IntN(40)
	_, _ = c.readPage(ctx, c.store, call)
}

// someOptions selects everything every other time.
func someOptions(rng *rand.Rand) eventstore.ReadOptions {
	return choose(rng, eventstore.ReadOptions{}, eventstore.ReadOptions{}, eventstore.ReadOptions{Types: []string{"odd"}},
		eventstore.ReadOptions{StreamTypes: []string{"text"}})
}

// readPage makes the call and records it if it succeeds.
func (r *round) readPage(ctx context.Context, store *eventstore.Store, call *pageCall) (eventstore.Page, error) {
	call.begin = r.rec.tick()
	page, err := store.ReadAll(ctx, call.after, &call.opts)
	call.end = r.rec.tick()
	if err != nil {
		r.readFailed(ctx, &call.span, fmt.Sprintf("read the log after position %d", call.after), err)
		return page, err
	}
	call.next, call.head = page.Next, page.Head
	for i := range page.Events {
		call.got = append(call.got, r.entry(&page.Events[i]))
	}
	record(r.rec, &r.rec.pages, call)
	return page, nil
}

// readers follow the log while the clients write: one page by page, the others by subscription.
type readers struct {
	*round
	sync.WaitGroup
	all []*reader
}

// reader is one of them.
type reader struct {
	*round
	name  string
	store *eventstore.Store
	rng   *rand.Rand
	opts  eventstore.ReadOptions

	mu      sync.Mutex
	reached int64 // the last position that it was handed, or that a page went over
	moved   chan struct{}
}

func (r *round) follow(ctx context.Context) *readers {
	list := &readers{round: r}
	for i := range 4 {
		f := &reader{round: r, store: r.stores[i%len(r.stores)], reached: r.start, moved: make(chan struct{}),
			rng: rand.New(rand.NewPCG(r.opts.Seed, uint64(r.number)<<32|uint64(1000+i)))}
		f.opts = someOptions(f.rng)
		f.name = fmt.Sprintf("subscriber %d", i)
		follow := f.subscribe
		if i == 0 {
			f.name, follow = "tailer", f.tail
		}
		list.all = append(list.all, f)
		list.Go(func() { r.guarded(f.name, func() { follow(ctx) }) })
	}
	return list
}

func (f *reader) advance(position int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reached = max(f.reached, position)
	close(f.moved)
	f.moved = make(chan struct{})
}

// wait returns nil once the reader has come to a position.
func (f *reader) wait(ctx context.Context, position int64) error {
	for {
		f.mu.Lock()
		reached, moved := f.reached, f.moved
		f.mu.Unlock()
		if reached >= position || f.broken() != nil {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("it came to position %d of %d: %w", reached, position, ctx.Err())
		}
	}
}

// tail reads page by page, each from where the last one says to continue.
func (f *reader) tail(ctx context.Context) {
	next := f.reached
	for ctx.Err() == nil && f.broken() == nil {
		call := &pageCall{span: span{by: f.name}, after: next, opts: f.opts}
		call.opts.Limit = 1 + f.rng.IntN(20)
		page, err := f.readPage(ctx, f.store, call)
		if err != nil {
			pauseFor(ctx, outage)
			continue
		}
		next = call.next
		f.advance(next)
		_ = f.store.Wait(ctx, page) // what it fails with, the next page will
	}
}

// subscribe leaves its subscription now and then and takes another, from the last event it was handed.
func (f *reader) subscribe(ctx context.Context) {
	after := f.reached
	for ctx.Err() == nil && f.broken() == nil {
		s := &subscription{span: span{by: f.name, begin: f.rec.tick()}, after: after, opts: f.opts}
		f.hear(ctx, s, 1+f.rng.IntN(30))
		s.end = f.rec.tick()
		record(f.rec, &f.rec.subscriptions, s)
		if n := len(s.got); n > 0 {
			after = s.got[n-1].position
		} else {
			pauseFor(ctx, outage)
		}
	}
}

// hear takes up to n events from one subscription.
func (f *reader) hear(ctx context.Context, s *subscription, n int) {
	for e, err := range f.store.Subscribe(ctx, s.after, &s.opts) {
		if err != nil {
			f.readFailed(ctx, &s.span, fmt.Sprintf("subscribe after position %d", s.after), err)
			return
		}
		s.got, s.at = append(s.got, f.entry(&e)), append(s.at, f.rec.tick())
		f.advance(e.Position)
		if n--; n == 0 {
			return
		}
	}
}

// finish reads what is stored now that nobody writes, and waits until every reader has been handed all of it.
func (r *readers) finish(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, defaultPatience/4)
	defer cancel()
	for i, store := range r.stores {
		err := again(soon, func() error { return comeTo(soon, store, r.known.top()) })
		if err != nil {
			return r.stuck(err, violation(complete, fmt.Sprintf("the tide mark of handle %d did not come to position %d, which was acknowledged", i+1, r.known.top())))
		}
	}
	if err := r.readTruth(soon); err != nil {
		return err
	}
	for _, f := range r.all {
		if err := f.wait(soon, r.truth.last(f.opts)); err != nil {
			return r.stuck(err, violation(complete, fmt.Sprintf("%s was not handed what it waits for: %v", f.name, err)))
		}
	}
	return nil
}

// comeTo waits until the tide mark has come to a position.
func comeTo(ctx context.Context, store *eventstore.Store, position int64) error {
	for {
		page, err := store.ReadAll(ctx, max(0, position-1), &eventstore.ReadOptions{Limit: 1, Raw: true})
		if err != nil || page.Head >= position {
			return err
		}
		if err := store.Wait(ctx, page); err != nil {
			return err
		}
	}
}

// stuck is the violation if time was up, and the error otherwise.
func (r *round) stuck(err error, v *Violation) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return v
	}
	return err
}
