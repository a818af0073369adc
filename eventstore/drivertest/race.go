package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// racers is the number of goroutines that append at once.
const racers = 8

func a2() clause {
	return clause{id: "A2", text: "Of N appenders at one version exactly one wins; every loser gets a *ConflictError " +
		"with stream, expected and actual version, never a raw database error.",
		cases: []testCase{
			{name: "appenders on one handle", run: func(p *probe) { oneWinner(p, p.handle) }},
			{name: "appenders on two handles", needs: []need{reopen}, run: func(p *probe) { oneWinner(p, p.handle, p.another()) }},
		}}
}

func oneWinner(p *probe, handles ...*handle) {
	stores := portables(handles)
	const rounds = 12
	for round := range rounds {
		version := int64(2 * round)
		outcomes := make([]error, racers)
		p.together(racers, func(ctx context.Context, i int) error {
			_, outcomes[i] = stores[i%len(stores)].Append(ctx, named("a"), eventstore.Exactly(version), notes(2)...)
			return nil
		})
		p.oneWon(outcomes, named("a"), version)
		p.equal(int(version)+2, len(p.stream(named("a"))), "events in the stream after the race at version %d", version)
	}
	p.contiguous(p.stream(named("a")))
}

func portables(handles []*handle) []*eventstore.Store {
	stores := make([]*eventstore.Store, len(handles))
	for i, h := range handles {
		stores[i] = h.portable()
	}
	return stores
}

func (p *probe) oneWon(outcomes []error, stream driver.StreamID, version int64) {
	losers := slices.DeleteFunc(outcomes, func(err error) bool { return err == nil })
	p.equal(racers-1, len(losers), "losers of a race of %d at version %d", racers, version)
	want := eventstore.ConflictError{Stream: stream, Expected: eventstore.Exactly(version), Actual: version + 2}
	for _, err := range losers {
		var conflict *eventstore.ConflictError
		p.that(errors.As(err, &conflict), "a loser at version %d got no *eventstore.ConflictError but %s", version, brief(err))
		p.equal(want, *conflict, "a loser's conflict")
	}
}

func a3() clause {
	return clause{id: "A3", text: "N appenders with Any on one stream all succeed; versions stay contiguous, none is lost.",
		cases: []testCase{
			{name: "appenders on one handle", run: func(p *probe) { allSucceed(p, p.handle) }},
			{name: "appenders on two handles", needs: []need{reopen}, run: func(p *probe) { allSucceed(p, p.handle, p.another()) }},
		}}
}

func allSucceed(p *probe, handles ...*handle) {
	stores := portables(handles)
	batches := make([][]eventstore.NewEvent, 10*racers)
	p.together(racers, func(ctx context.Context, i int) error {
		for n := i; n < len(batches); n += racers {
			batches[n] = notes(1 + n%3)
			if _, err := stores[i%len(stores)].Append(ctx, named("a"), eventstore.Any, batches[n]...); err != nil {
				return err
			}
		}
		return nil
	})
	stored := p.stream(named("a"))
	p.contiguous(stored)
	p.adjacent(stored, batches)
}

// adjacent ends the case unless the records are these batches in any order, each batch in one piece.
func (p *probe) adjacent(stored []driver.Record, batches [][]eventstore.NewEvent) {
	at := make(map[uuid.UUID]int)
	for i, r := range stored {
		at[r.ID] = i
	}
	total := 0
	for n, batch := range batches {
		total += len(batch)
		for i, e := range batch {
			index, ok := at[e.ID]
			p.that(ok, "event %d of append %d is lost", i+1, n+1)
			p.equal(at[batch[0].ID]+i, index, "place of event %d of append %d", i+1, n+1)
		}
	}
	p.equal(total, len(stored), "number of stored events")
}

func a4() clause {
	return clause{id: "A4", text: "N appenders on N different streams: no conflict, no lock error, no serialization failure " +
		"reaches a caller, on any driver.",
		cases: []testCase{
			{name: "appenders on one handle, while readers read", run: func(p *probe) { noErrors(p, p.handle) }},
			{name: "appenders on two handles, while readers read", needs: []need{reopen},
				run: func(p *probe) { noErrors(p, p.handle, p.another()) }},
		}}
}

func noErrors(p *probe, handles ...*handle) {
	stores := portables(handles)
	written := make(chan struct{})
	var readers []*task
	for _, store := range stores {
		readers = append(readers, p.start(func(ctx context.Context) error { return readUntil(ctx, store, written) }))
	}
	p.together(racers, func(ctx context.Context, i int) error {
		for version := range int64(20) {
			stream := named("%d", i)
			if _, err := stores[i%len(stores)].Append(ctx, stream, eventstore.Exactly(version), notes(1)...); err != nil {
				return err
			}
		}
		return nil
	})
	close(written)
	for _, r := range readers {
		r.wait("read while others append")
	}
	for i := range racers {
		p.equal(20, len(p.stream(named("%d", i))), "events in stream %d", i)
	}
}

// readUntil reads the log and a stream again and again until the channel is closed.
func readUntil(ctx context.Context, store *eventstore.Store, done <-chan struct{}) error {
	for {
		if _, err := collect(store.All(ctx, 0, nil)); err != nil {
			return fmt.Errorf("the log: %w", err)
		}
		if _, err := collect(store.Stream(ctx, named("1"), nil)); err != nil {
			return fmt.Errorf("a stream: %w", err)
		}
		select {
		case <-done:
			return nil
		default:
		}
	}
}
