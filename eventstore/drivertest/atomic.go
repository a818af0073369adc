package drivertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func a5() clause {
	return clause{id: "A5", text: "An append is atomic: bad payload, conflict or lost connection leaves nothing, " +
		"and burns no version.",
		cases: []testCase{
			{name: "a conflict leaves nothing", run: conflictLeavesNothing},
			{name: "an id that is stored already leaves nothing", run: duplicateLeavesNothing},
			{name: "a context that ends during the commit leaves all or nothing", run: endLeavesAllOrNothing},
			{name: "a lost connection leaves all or nothing", needs: []need{disconnect}, run: lossLeavesAllOrNothing},
		}}
}

func conflictLeavesNothing(p *probe) {
	p.append(named("a"), driver.NoStream, events(2)...)
	refused := events(3)
	_, err := p.commit(p.ctx, write(named("a"), 1, refused...))
	p.conflict(err, named("a"), 2, "append to version 2, expecting version 1")
	p.equal(2, len(p.log()), "events in the log after a conflict")
	receipt := p.append(named("a"), 2, refused...)
	p.equal(int64(5), receipt.Version, "version after the refused events were appended again, with the right expectation")
	p.contiguous(p.stream(named("a")))
}

func duplicateLeavesNothing(p *probe) {
	stored, added := events(1), events(3)
	p.append(named("a"), driver.NoStream, stored...)
	before := p.log()
	_, err := p.commit(p.ctx, write(named("a"), 1, added[0], added[1], stored[0], added[2]))
	p.duplicate(err, before, "append events of which one is stored")
	p.sameRecords(before, p.log(), "the log after it")
	p.append(named("a"), 1, added...)
	p.contiguous(p.stream(named("a")))
}

func endLeavesAllOrNothing(p *probe) {
	version := int64(0)
	for i := range 20 {
		ctx, cancel := context.WithCancel(p.ctx)
		ending := p.start(func(context.Context) error { cancel(); return nil })
		_, err := p.commit(ctx, write(named("a"), driver.ExpectedVersion(version), events(3)...))
		ending.wait("cancel")
		stored := p.stream(named("a"))
		switch {
		case err == nil:
			p.equal(int(version)+3, len(stored), "events in the stream after commit %d, which succeeded", i+1)
		case len(stored) == int(version):
			p.is(err, context.Canceled, "commit %d, whose context ended", i+1)
		default:
			p.equal(int(version)+3, len(stored), "events in the stream after commit %d, which failed: %v", i+1, err)
		}
		version = int64(len(stored))
	}
	p.contiguous(p.stream(named("a")))
}

// lossLeavesAllOrNothing has appenders try again with the same ids, as Retryable allows it, until they succeed. While
// connections are still to be broken, they don't run ahead.
func lossLeavesAllOrNothing(p *probe) {
	const writers, appends = 4, 10
	store, progress := p.portable(), make(chan struct{})
	batches := make([][]eventstore.NewEvent, writers*appends)
	breaking := p.start(func(ctx context.Context) error { return p.disconnectAfter(ctx, progress, 5) })
	p.together(writers, func(ctx context.Context, i int) error {
		for n := i; n < len(batches); n += writers {
			batches[n] = notes(3)
			if err := persist(ctx, store, batches[n]); err != nil {
				return err
			}
			select {
			case progress <- struct{}{}:
			case <-breaking.done:
			}
		}
		return nil
	})
	breaking.wait("break the connections")
	stored := p.streamAgain(named("a"))
	p.contiguous(stored)
	p.adjacent(stored, batches)
}

// disconnectAfter breaks the connections n times, each time after progress was made.
func (p *probe) disconnectAfter(ctx context.Context, progress <-chan struct{}, n int) error {
	for range n {
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := p.db.Disconnect(ctx); err != nil {
			return err
		}
	}
	return nil
}

func persist(ctx context.Context, store *eventstore.Store, batch []eventstore.NewEvent) error {
	for {
		_, err := store.Append(ctx, named("a"), eventstore.Any, batch...)
		if err == nil || !eventstore.Retryable(err) {
			return err
		}
	}
}

func a10() clause {
	return clause{id: "A10", text: "AppendAll is atomic across streams: one bad expectation writes nothing anywhere, and the " +
		"error names the stream; a write without events checks its stream and does not create it.",
		cases: []testCase{
			{name: "one bad expectation writes nothing anywhere", run: oneBadExpectation},
			{name: "a write without events only checks", run: writeOnlyChecks},
			{name: "a reader sees all of it or nothing", run: readerSeesAllOrNothing},
			{name: "the same streams in opposite order, at once", run: oppositeOrder},
		}}
}

func oneBadExpectation(p *probe) {
	store := p.portable()
	p.append(named("existing"), driver.NoStream, events(2)...)
	before := p.log()
	for bad := range 3 {
		writes := []eventstore.Write{{Stream: named("x")}, {Stream: named("existing"), Expected: 2}, {Stream: named("y")}}
		for i := range writes {
			writes[i].Events = notes(2)
		}
		writes[bad].Expected = 7
		_, err := store.AppendAll(p.ctx, writes...)
		var conflict *eventstore.ConflictError
		p.that(errors.As(err, &conflict), "write %d of 3 has a bad expectation: want an *eventstore.ConflictError, got %s",
			bad+1, brief(err))
		p.equal(writes[bad].Stream, conflict.Stream, "stream of the conflict in write %d of 3", bad+1)
		p.sameRecords(before, p.log(), "the log after a conflict in write %d of 3", bad+1)
	}
}

func writeOnlyChecks(p *probe) {
	p.append(named("existing"), driver.NoStream, events(2)...)
	receipts, err := p.commit(p.ctx, write(named("missing"), driver.NoStream), write(named("a"), driver.Any, events(2)...),
		write(named("existing"), 2))
	p.ok(err, "commit two writes without events and one with two")
	stored := p.stream(named("a"))
	p.equal(2, len(stored), "events of the write that has events")
	want := []driver.Receipt{{}, {Version: 2, Position: stored[1].Position}, {Version: 2}}
	p.equal(want, receipts, "receipts")
	p.append(named("missing"), driver.NoStream)

	before := p.log()
	_, err = p.commit(p.ctx, write(named("a"), driver.Any, events(2)...), write(named("existing"), 1))
	p.conflict(err, named("existing"), 2, "commit with a failing write that only checks")
	p.sameRecords(before, p.log(), "the log after it")
}

func readerSeesAllOrNothing(p *probe) {
	written := make(chan struct{})
	reading := p.start(func(ctx context.Context) error { return p.readPairs(ctx, written) })
	for range 40 {
		_, err := p.commit(p.ctx, write(named("a"), driver.Any, events(1)...), write(named("b"), driver.Any, events(1)...))
		p.ok(err, "commit to two streams")
	}
	close(written)
	reading.wait("read the log while pairs of events are committed")
}

// readPairs reads the log until the channel is closed and fails if half of a pair is there.
func (p *probe) readPairs(ctx context.Context, done <-chan struct{}) error {
	for {
		f := newFollower()
		if err := f.toHead(ctx, p.drv); err != nil {
			return err
		}
		if len(f.records)%2 != 0 {
			return fmt.Errorf("%d events are there, so one of them without the other of its commit", len(f.records))
		}
		select {
		case <-done:
			return nil
		default:
		}
	}
}

func oppositeOrder(p *probe) {
	store := p.portable()
	p.together(racers, func(ctx context.Context, i int) error {
		streams := []driver.StreamID{named("%d", i%2), named("%d", (i+1)%2)}
		for range 10 {
			_, err := store.AppendAll(ctx, eventstore.Write{Stream: streams[0], Expected: eventstore.Any, Events: notes(1)},
				eventstore.Write{Stream: streams[1], Expected: eventstore.Any, Events: notes(1)})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, stream := range []driver.StreamID{named("0"), named("1")} {
		p.equal(10*racers, len(p.stream(stream)), "events in stream %q", stream)
		p.contiguous(p.stream(stream))
	}
}
