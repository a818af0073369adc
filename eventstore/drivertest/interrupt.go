package drivertest

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func r3() clause {
	return clause{id: "R3", text: "A connection that dies mid-read, a context cancelled mid-iteration, and a damaged row each " +
		"end the iteration with an error; it never just ends early.",
		cases: []testCase{
			{name: "a context that has ended fails every method", run: endedFailsReads},
			{name: "a context that has ended fails snapshots", needs: []need{snapshotter}, run: endedFailsSnapshots},
			{name: "a context that has ended fails checkpoints", needs: []need{checkpointer}, run: endedFailsCheckpoints},
			{name: "a context cancelled in mid-iteration", run: cancelledIteration},
			{name: "a damaged event", needs: []need{damage}, run: damagedEvent},
			{name: "a damaged event in the log", needs: []need{damage}, run: damagedInLog},
			{name: "a connection that dies in mid-iteration", needs: []need{disconnect}, run: disconnectedIteration},
		}}
}

func (p *probe) ended() context.Context {
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	return ctx
}

func endedFailsReads(p *probe) {
	p.append(named("a"), driver.NoStream, events(2)...)
	_, err := p.drv.ReadStream(p.ended(), driver.StreamQuery{Stream: named("a"), From: 1, Limit: 1, MaxBytes: manyBytes})
	p.is(err, context.Canceled, "ReadStream with a context that has ended")
	for limit := range 2 {
		_, err = p.drv.ReadAll(p.ended(), driver.AllQuery{Limit: limit, MaxBytes: manyBytes})
		p.is(err, context.Canceled, "ReadAll with limit %d and a context that has ended", limit)
	}
}

func endedFailsSnapshots(p *probe) {
	drv := p.drv.(driver.Snapshotter)
	p.is(drv.SaveSnapshot(p.ended(), snapshot(named("a"), 1)), context.Canceled, "SaveSnapshot with a context that has ended")
	_, ok, err := drv.LoadSnapshot(p.ended(), named("a"))
	p.is(err, context.Canceled, "LoadSnapshot with a context that has ended")
	p.that(!ok, "LoadSnapshot with a context that has ended reports a snapshot")
	p.noSnapshot(named("a"))
}

func endedFailsCheckpoints(p *probe) {
	drv := p.drv.(driver.Checkpointer)
	p.is(drv.SaveCheckpoint(p.ended(), "a", 0, 1, someTime), context.Canceled, "SaveCheckpoint with a context that has ended")
	_, err := drv.LoadCheckpoint(p.ended(), "a")
	p.is(err, context.Canceled, "LoadCheckpoint with a context that has ended")
	p.checkpointIs("a", 0)
}

// longStream is longer than two pages of the portable store.
const longStream = 1100

func (p *probe) appendLongStream() *eventstore.Store {
	_, err := p.portable().Append(p.ctx, named("a"), eventstore.NoStream, notes(longStream)...)
	p.ok(err, "append %d events", longStream)
	return p.portable()
}

// iterations yields the ways to read the long stream, each with its name.
func iterations(store *eventstore.Store) iter.Seq2[string, func(context.Context) iter.Seq2[eventstore.Event, error]] {
	type events = iter.Seq2[eventstore.Event, error]
	backward := &eventstore.StreamOptions{Backward: true}
	return func(yield func(string, func(context.Context) events) bool) {
		_ = yield("the stream", func(ctx context.Context) events { return store.Stream(ctx, named("a"), nil) }) &&
			yield("the stream backward", func(ctx context.Context) events { return store.Stream(ctx, named("a"), backward) }) &&
			yield("the log", func(ctx context.Context) events { return store.All(ctx, 0, nil) })
	}
}

// cancelledIteration cancels at the numbers of events that a page is likely to end at, too: there the next thing is a
// call of the driver.
func cancelledIteration(p *probe) {
	store := p.appendLongStream()
	for what, read := range iterations(store) {
		for _, at := range []int{3, 256, 500, 512, 1000, 1024} {
			ctx, cancel := context.WithCancel(p.ctx)
			_, err := interrupted(read(ctx), at, cancel)
			p.is(err, context.Canceled, "read %s, cancelling after %d of %d events", what, at, longStream)
		}
	}
	for looks := range int64(10) {
		p.wholeOrCancelled("ReadStream", looks, func(ctx context.Context) ([]driver.Record, error) {
			return p.drv.ReadStream(ctx, driver.StreamQuery{Stream: named("a"), From: 1, Limit: longStream, MaxBytes: manyBytes})
		})
		p.wholeOrCancelled("ReadAll", looks, func(ctx context.Context) ([]driver.Record, error) {
			page, err := p.drv.ReadAll(ctx, driver.AllQuery{Limit: longStream, MaxBytes: manyBytes})
			return page.Records, err
		})
	}
}

// wholeOrCancelled reads the long stream with a context that ends in the middle of the call.
func (p *probe) wholeOrCancelled(what string, looks int64, read func(ctx context.Context) ([]driver.Record, error)) {
	ctx := &fickleContext{looks: looks}
	ctx.Context, ctx.cancel = context.WithCancel(p.ctx)
	defer ctx.cancel()
	records, err := read(ctx)
	if err != nil || len(records) < longStream {
		p.is(err, context.Canceled, "%s, which returns %d of %d records, with a context that ends when looked at %d times",
			what, len(records), longStream, looks+1)
	}
}

// fickleContext ends after it has been looked at a number of times: in the middle of whatever looks at it.
type fickleContext struct {
	context.Context
	cancel context.CancelFunc
	looks  int64
	looked atomic.Int64
}

func (c *fickleContext) look() {
	if c.looked.Add(1) > c.looks {
		c.cancel()
	}
}

// Err implements context.Context.
func (c *fickleContext) Err() error {
	c.look()
	return c.Context.Err()
}

// Done implements context.Context.
func (c *fickleContext) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

// interrupted counts the events of an iteration in which f is called after a number of them, and returns its error.
func interrupted(seq iter.Seq2[eventstore.Event, error], after int, f func()) (n int, err error) {
	for _, err = range seq {
		if err != nil {
			return n, err
		}
		if n++; n == after {
			f()
		}
	}
	return n, nil
}

const damagedVersion = 5

// damagedStream is a stream of which one version is damaged.
func (p *probe) damagedStream() {
	_, err := p.portable().Append(p.ctx, named("a"), eventstore.NoStream, notes(2*damagedVersion)...)
	p.ok(err, "append %d events", 2*damagedVersion)
	p.ok(p.db.Damage(p.ctx, named("a"), damagedVersion), "damage version %d", damagedVersion)
}

// stumbles ends the case unless an iteration over the damaged stream ends with an error.
func (p *probe) stumbles(seq iter.Seq2[eventstore.Event, error], what string) {
	got, err := collect(seq)
	p.that(err != nil, "reading %s of %d events, version %d of which is damaged, hands out %d and no error", what, 2*damagedVersion,
		damagedVersion, len(got))
	for _, e := range got {
		p.that(e.Version != damagedVersion, "reading %s hands out the damaged version %d", what, e.Version)
	}
}

func damagedEvent(p *probe) {
	p.damagedStream()
	for what, backward := range map[string]bool{"a stream": false, "a stream backward": true} {
		p.stumbles(p.portable().Stream(p.ctx, named("a"), &eventstore.StreamOptions{Backward: backward}), what)
	}
}

// damagedInLog reads the log, where nothing but the driver can notice: positions have gaps, and a projection that is not told
// has lost the event.
func damagedInLog(p *probe) {
	p.damagedStream()
	p.stumbles(p.portable().All(p.ctx, 0, nil), "the log")
}

func disconnectedIteration(p *probe) {
	store := p.appendLongStream()
	for what, read := range iterations(store) {
		var broken error
		n, err := interrupted(read(p.ctx), 3, func() { broken = p.db.Disconnect(p.ctx) })
		p.ok(broken, "break the connections")
		p.that(err != nil || n == longStream, "read %s while the connections break: %d of %d events and no error", what, n, longStream)
		p.that(err == nil || eventstore.Retryable(err), "read %s while the connections break: the error is not retryable: %w", what, err)
	}
	p.equal(longStream, len(p.streamAgain(named("a"))), "events in the stream after the connections broke")
}

// streamAgain reads a stream after connections broke, of which some may be found broken only now.
func (p *probe) streamAgain(stream driver.StreamID) []driver.Record {
	stored, err := p.readStream(p.ctx, stream)
	for eventstore.Retryable(err) {
		stored, err = p.readStream(p.ctx, stream)
	}
	p.ok(err, "read stream %q after the connections broke", stream)
	return stored
}

func r4() clause {
	return clause{id: "R4", text: "Breaking out of an iteration frees everything: with a pool of one connection the next call " +
		"works, and a handler can call the store inside the loop.",
		cases: []testCase{
			{name: "calls after iterations that were left", run: callsAfterBreak},
			{name: "calls inside the loop", run: callsInside},
		}}
}

func callsAfterBreak(p *probe) {
	store := p.appendLongStream()
	for range 10 {
		for what, read := range iterations(store) {
			for _, err := range read(p.ctx) {
				p.ok(err, "read %s", what)
				break
			}
		}
	}
	p.append(named("b"), driver.NoStream, events(1)...)
	p.equal(longStream+1, len(p.log()), "events in the log")
}

func callsInside(p *probe) {
	store := p.appendLongStream()
	for what, read := range iterations(store) {
		n := 0
		for _, err := range read(p.ctx) {
			p.ok(err, "read %s, calling the store inside the loop", what)
			if n++; n%100 == 1 {
				p.append(named("b"), driver.Any, events(1)...)
				p.that(len(p.stream(named("b"))) > 0, "an append inside the loop is not seen")
				p.head()
			}
		}
		p.that(n >= longStream, "read %s: %d of %d events", what, n, longStream)
	}
}

func r5() clause {
	return clause{id: "R5", text: "A stream of a million events is read in bounded memory.",
		cases: []testCase{
			{name: "a small page of a long stream and log costs no more than itself", run: pagesAreBounded},
		}}
}

// pagesAreBounded measures what reading a page of 10 events from the midst of 4,000 allocates. Others may allocate at
// the same time, so the lowest of some readings counts. The bound is far above a page and far below the whole.
func pagesAreBounded(p *probe) {
	const n, bytesEach, bound = 4000, 1 << 10, 1 << 20
	text := strings.Repeat("x", bytesEach-2)
	for range n / 1000 {
		batch := events(1000)
		for i := range batch {
			batch[i].Data = fmt.Appendf(nil, "%q", text)
		}
		p.append(named("a"), driver.Any, batch...)
	}
	all := p.stream(named("a"))
	p.equal(n, len(all), "events read page by page from a stream of %d", n)
	middle := all[n/2]
	stream := driver.StreamQuery{Stream: named("a"), From: middle.Version, Limit: 10, MaxBytes: manyBytes}
	log := driver.AllQuery{After: middle.Position, Limit: 10, MaxBytes: manyBytes}
	for _, q := range []driver.StreamQuery{stream, reversed(stream)} {
		cost := p.lowestCost(func() ([]driver.Record, error) { return p.drv.ReadStream(p.ctx, q) })
		p.that(cost < bound, "a page of 10 events of a stream of %d MB (backward: %v) costs %d bytes", n*bytesEach>>20, q.Backward, cost)
	}
	cost := p.lowestCost(func() ([]driver.Record, error) {
		page, err := readPage(p.ctx, p.drv, log)
		return page.Records, err
	})
	p.that(cost < bound, "a page of 10 events of a log of %d MB costs %d bytes", n*bytesEach>>20, cost)
}

func reversed(q driver.StreamQuery) driver.StreamQuery {
	q.Backward, q.From, q.To = true, 1, q.From
	return q
}

func (p *probe) lowestCost(read func() ([]driver.Record, error)) uint64 {
	lowest := ^uint64(0)
	for range 20 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		page, err := read()
		runtime.ReadMemStats(&after)
		p.ok(err, "read a page of 10 events")
		p.equal(10, len(page), "events on the page")
		lowest = min(lowest, after.TotalAlloc-before.TotalAlloc)
	}
	return lowest
}
