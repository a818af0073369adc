package drivertest

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func a6() clause {
	return clause{id: "A6", text: "Appending the same event ids to the same stream again returns the first receipt " +
		"(Duplicate: true) and stores no second copy, whatever expected version the retry carries.",
		cases: []testCase{
			{name: "a retry with any expected version", run: retryWithAnyExpectation},
			{name: "a retry of writes to several streams", run: retryOfSeveralStreams},
			{name: "retries at the same time", run: retriesAtOnce},
			{name: "a retry after a restart", needs: []need{reopen}, run: retryAfterRestart},
			{name: "the stored events are reported in order of position, before any conflict", run: storedIsReported},
		}}
}

func retryWithAnyExpectation(p *probe) {
	store, stream := p.portable(), named("a")
	p.append(stream, driver.NoStream, events(1)...)
	batch := notes(3)
	first, err := store.Append(p.ctx, stream, eventstore.Exactly(1), batch...)
	p.ok(err, "append 3 events")
	p.append(stream, 4, events(1)...)
	before := p.log()
	for _, expected := range []eventstore.ExpectedVersion{1, eventstore.Any, eventstore.NoStream, eventstore.StreamExists, 4, 5, 99} {
		p.isRetry(store, first, expected, batch)
	}
	p.sameRecords(before, p.log(), "the log after the retries")
}

// isRetry ends the case unless an append is answered with the first receipt.
func (p *probe) isRetry(store *eventstore.Store, first eventstore.Receipt, expected eventstore.ExpectedVersion, batch []eventstore.NewEvent) {
	first.Duplicate = true
	again, err := store.Append(p.ctx, first.Stream, expected, batch...)
	p.ok(err, "append the same events again, expecting %v", expected)
	p.equal(first, again, "receipt of the retry, which expected %v", expected)
}

func retryOfSeveralStreams(p *probe) {
	store := p.portable()
	writes := []eventstore.Write{{Stream: named("a"), Events: notes(2)}, {Stream: named("b"), Events: notes(1)}}
	first, err := store.AppendAll(p.ctx, writes...)
	p.ok(err, "append to two streams")
	p.append(named("a"), driver.Any, events(1)...)
	for i := range first {
		first[i].Duplicate = true
	}
	again, err := store.AppendAll(p.ctx, writes...)
	p.ok(err, "append the same events to the same two streams again")
	p.equal(first, again, "receipts of the retry")
	p.equal(4, len(p.log()), "events in the log")
}

func retriesAtOnce(p *probe) {
	stores := portables(p.handlePair())
	for round := range 10 {
		batch, receipts := notes(2), make([]eventstore.Receipt, racers)
		p.together(racers, func(ctx context.Context, i int) (err error) {
			receipts[i], err = stores[i%len(stores)].Append(ctx, named("%d", round), eventstore.NoStream, batch...)
			return err
		})
		p.equal(2, len(p.stream(named("%d", round))), "events in the stream that %d calls with the same ids wrote to", racers)
		first := slices.IndexFunc(receipts, func(r eventstore.Receipt) bool { return !r.Duplicate })
		p.that(first >= 0, "each of %d calls is told that another one stored the events", racers)
		for i := range receipts {
			p.equal(i != first, receipts[i].Duplicate, "Duplicate of receipt %d, the one of call %d being the first", i+1, first+1)
			receipts[i].Duplicate = false
			p.equal(receipts[first], receipts[i], "receipt %d of calls with the same ids", i+1)
		}
	}
}

func retryAfterRestart(p *probe) {
	batch := notes(3)
	first, err := p.portable().Append(p.ctx, named("a"), eventstore.NoStream, batch...)
	p.ok(err, "append 3 events")
	p.restart()
	p.isRetry(p.portable(), first, eventstore.NoStream, batch)
	p.equal(3, len(p.log()), "events in the log")
}

func storedIsReported(p *probe) {
	a, b := events(3), events(2)
	_, err := p.commit(p.ctx, write(named("a"), driver.NoStream, a...), write(named("b"), driver.NoStream, b...))
	p.ok(err, "commit 3 events to a stream and 2 to another")
	stored := append(p.stream(named("a")), p.stream(named("b"))...)
	p.equal([]int{3, 0, 0, 2, 0}, appendSizes(stored), "AppendSize of the stored events")
	p.sameRecords(stored, p.log(), "the log, compared with the streams")

	_, err = p.commit(p.ctx, write(named("c"), 7, event("noted"), b[1]), write(named("a"), 1, a[2], event("noted"), a[0]))
	p.duplicate(err, []driver.Record{stored[0], stored[2], stored[4]},
		"commit with 3 ids that are stored and expectations that are not met")
	p.sameRecords(stored, p.log(), "the log after it")
}

func appendSizes(records []driver.Record) []int {
	sizes := make([]int, len(records))
	for i, r := range records {
		sizes[i] = r.AppendSize
	}
	return sizes
}

func a7() clause {
	return clause{id: "A7", text: "The same id with other content, in another stream, or only part of an earlier batch, " +
		"is ErrIdempotency, not a conflict.",
		cases: []testCase{
			{name: "the same id with other content", run: otherContent},
			{name: "the same id in another stream", run: otherStream},
			{name: "a part of an earlier batch, and more than it", run: otherBatch},
		}}
}

func otherContent(p *probe) {
	id := uuid.New()
	stored := eventstore.NewEvent{ID: id, Payload: noted{N: 1}, Tags: []string{"x", "y"}}
	_, err := p.portable().Append(p.ctx, named("a"), eventstore.NoStream, stored)
	p.ok(err, "append an event")
	p.reused(named("a"), "another payload", eventstore.NewEvent{ID: id, Payload: noted{N: 2}, Tags: stored.Tags})
	p.reused(named("a"), "other tags", eventstore.NewEvent{ID: id, Payload: stored.Payload, Tags: []string{"y", "x"}})
	p.reused(named("a"), "no tags", eventstore.NewEvent{ID: id, Payload: stored.Payload})
}

// reused ends the case unless an append of events, some of whose ids are stored, is refused for just this reason.
func (p *probe) reused(stream driver.StreamID, what string, events ...eventstore.NewEvent) {
	before := p.log()
	for _, expected := range []eventstore.ExpectedVersion{eventstore.Any, 99} {
		_, err := p.portable().Append(p.ctx, stream, expected, events...)
		p.is(err, eventstore.ErrIdempotency, "append with %s, expecting %v", what, expected)
		p.that(!errors.Is(err, eventstore.ErrConflict), "append with %s, expecting %v, is a conflict as well: %w", what, expected, err)
		p.sameRecords(before, p.log(), "the log after an append with %s", what)
	}
}

func otherStream(p *probe) {
	batch := notes(2)
	_, err := p.portable().Append(p.ctx, named("a"), eventstore.NoStream, batch...)
	p.ok(err, "append 2 events")
	p.reused(named("b"), "the ids of events of another stream", batch...)
	p.append(named("c"), driver.NoStream, events(3)...)
	p.reused(named("c"), "the ids of events of another stream", batch...)
}

func otherBatch(p *probe) {
	a, b := notes(3), notes(1)
	for _, batch := range [][]eventstore.NewEvent{a, b} {
		_, err := p.portable().Append(p.ctx, named("a"), eventstore.Any, batch...)
		p.ok(err, "append %d events", len(batch))
	}
	p.reused(named("a"), "the start of an earlier batch", a[0], a[1])
	p.reused(named("a"), "the end of an earlier batch", a[1], a[2])
	p.reused(named("a"), "a single event of an earlier batch", a[1])
	p.reused(named("a"), "an earlier batch in another order", a[2], a[1], a[0])
	p.reused(named("a"), "an earlier batch and a new event", a[0], a[1], a[2], notes(1)[0])
	p.reused(named("a"), "a new event before an earlier batch", notes(1)[0], a[0], a[1], a[2])
	p.reused(named("a"), "two earlier batches", a[0], a[1], a[2], b[0])
}
