package drivertest

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// appendClauses is section A of the contract.
func appendClauses() []clause {
	return []clause{a1(), a2(), a3(), a4(), a5(), a6(), a7(), a8(), a9(), a10(), a11(), a12(), a13()}
}

func a1() clause {
	return clause{id: "A1", text: "Any, NoStream, StreamExists and an exact version succeed and fail as their names say; " +
		"a version ahead of the stream, or any positive version on a missing stream, is a conflict.",
		cases: []testCase{
			{name: "expectations on a missing stream", run: expectationsOnMissing},
			{name: "expectations on a stream at version 3", run: expectationsOnExisting},
			{name: "the receipt tells the last event's version and position", run: receiptsTell},
		}}
}

func expectationsOnMissing(p *probe) {
	p.accepts(named("any"), driver.Any, 0)
	p.accepts(named("none"), driver.NoStream, 0)
	for _, expected := range []driver.ExpectedVersion{driver.StreamExists, 1, 2, 1 << 40} {
		p.refuses(named("missing"), expected, 0)
	}
}

func expectationsOnExisting(p *probe) {
	for i, expected := range []driver.ExpectedVersion{driver.Any, driver.StreamExists, 3} {
		p.append(named("good %d", i), driver.NoStream, events(3)...)
		p.accepts(named("good %d", i), expected, 3)
	}
	p.append(named("bad"), driver.NoStream, events(3)...)
	for _, expected := range []driver.ExpectedVersion{driver.NoStream, 1, 2, 4, 5, 1 << 40} {
		p.refuses(named("bad"), expected, 3)
	}
}

// accepts ends the case unless a stream at version actual takes two events.
func (p *probe) accepts(stream driver.StreamID, expected driver.ExpectedVersion, actual int64) {
	written := events(2)
	p.append(stream, expected, written...)
	stored := p.stream(stream)
	p.equal(int(actual)+2, len(stored), "events in stream %q after an append that expected %v", stream, expected)
	for i, e := range written {
		p.ok(compareEvent(e, stored[int(actual)+i].Event), "event %d of the append to stream %q", i+1, stream)
	}
	p.contiguous(stored)
}

// refuses ends the case unless an append to a stream at version actual is a conflict that leaves it alone.
func (p *probe) refuses(stream driver.StreamID, expected driver.ExpectedVersion, actual int64) {
	before := p.stream(stream)
	_, err := p.commit(p.ctx, write(stream, expected, events(2)...))
	p.conflict(err, stream, actual, "append to stream %q at version %d, expecting %v", stream, actual, expected)
	p.sameRecords(before, p.stream(stream), "stream %q after an append that expected %v", stream, expected)
}

// contiguous ends the case unless the records of one stream have the versions 1, 2, 3 and so on, and growing positions.
func (p *probe) contiguous(records []driver.Record) {
	position := int64(0)
	for i, r := range records {
		p.equal(int64(i)+1, r.Version, "version of event %d of stream %q", i+1, r.Stream)
		p.that(r.Position > position, "stream %q: version %d has position %d, the one before has %d",
			r.Stream, r.Version, r.Position, position)
		position = r.Position
	}
}

func receiptsTell(p *probe) {
	for i, n := range []int{1, 3, 2} {
		receipt := p.append(named("a"), driver.Any, events(n)...)
		newest := last(p.stream(named("a")))
		p.equal(driver.Receipt{Version: newest.Version, Position: newest.Position}, receipt, "receipt of append %d", i+1)
	}
}

func a8() clause {
	return clause{id: "A8", text: "An append of no events is defined: it checks the expected version, " +
		"returns the stream's version and writes nothing.",
		cases: []testCase{
			{name: "its receipt has the stream's version and no position", run: emptyAppendSucceeds},
			{name: "it is a conflict where an append of events would be", run: emptyAppendConflicts},
		}}
}

func emptyAppendSucceeds(p *probe) {
	p.append(named("three"), driver.Any, events(3)...)
	before, head := p.log(), p.head()
	for _, expected := range []driver.ExpectedVersion{driver.Any, driver.StreamExists, 3} {
		p.equal(driver.Receipt{Version: 3}, p.append(named("three"), expected), "receipt of an append of no events to version 3")
	}
	for _, expected := range []driver.ExpectedVersion{driver.Any, driver.NoStream} {
		p.equal(driver.Receipt{}, p.append(named("none"), expected), "receipt of an append of no events to a missing stream")
	}
	p.sameRecords(before, p.log(), "the log after appends of no events")
	p.equal(head, p.head(), "the head after appends of no events")
}

func emptyAppendConflicts(p *probe) {
	p.append(named("three"), driver.Any, events(3)...)
	for _, expected := range []driver.ExpectedVersion{driver.NoStream, 1, 4} {
		_, err := p.commit(p.ctx, write(named("three"), expected))
		p.conflict(err, named("three"), 3, "append no events, expecting %v", expected)
	}
	for _, expected := range []driver.ExpectedVersion{driver.StreamExists, 1} {
		_, err := p.commit(p.ctx, write(named("none"), expected))
		p.conflict(err, named("none"), 0, "append no events, expecting %v", expected)
	}
}

func a9() clause {
	return clause{id: "A9", text: "An append of 5,000 events, and one event of 5 MB, succeed, " +
		"or fail with an error that names the limit.",
		cases: []testCase{
			{name: "5,000 events and their retry", run: manyEvents},
			{name: "an event of 5 MB", run: largeEvent},
		}}
}

func manyEvents(p *probe) {
	store, batch := p.portable(), notes(5000)
	receipt, err := store.Append(p.ctx, named("many"), eventstore.NoStream, batch...)
	if p.namesLimit(err) {
		return
	}
	stored := p.stream(named("many"))
	p.equal(len(batch), len(stored), "number of stored events")
	p.contiguous(stored)
	for i, r := range stored {
		p.equal(batch[i].ID, r.ID, "id of event %d", i+1)
	}
	receipt.Duplicate = true
	again, err := store.Append(p.ctx, named("many"), eventstore.NoStream, batch...)
	p.ok(err, "append the same 5,000 events again")
	p.equal(receipt, again, "receipt of the retry")
}

func largeEvent(p *probe) {
	e := event("noted")
	e.Data = slices.Concat([]byte(`"`), bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16), []byte(`"`))
	_, err := p.commit(p.ctx, write(named("large"), driver.Any, e))
	if p.namesLimit(err) {
		return
	}
	stored := p.stream(named("large"))
	p.equal(1, len(stored), "number of stored events")
	p.ok(compareEvent(e, stored[0].Event), "the stored event")
}

// namesLimit reports whether there is an error. It ends the case if the error names no number, or if events were stored
// all the same.
func (p *probe) namesLimit(err error) bool {
	if err == nil {
		return false
	}
	p.that(strings.ContainsAny(err.Error(), "0123456789"), "it fails with an error that names no limit: %w", err)
	p.equal(0, len(p.log()), "number of events stored by an append that failed")
	return true
}

func a11() clause {
	return clause{id: "A11", text: "A context cancelled before the commit writes nothing and returns an error for which " +
		"errors.Is(err, context.Canceled) holds, on every driver.",
		cases: []testCase{
			{name: "a context that has ended before the call", run: commitAfterEnd},
			{name: "a context that ends while the commit waits for another writer", needs: []need{transactor}, run: commitEndsWaiting},
		}}
}

func commitAfterEnd(p *probe) {
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	expired, cancel := context.WithTimeout(p.ctx, 0)
	defer cancel()
	for _, ctx := range []context.Context{cancelled, expired} {
		_, err := p.drv.Commit(ctx, []driver.Write{write(named("a"), driver.Any, events(2)...)})
		p.is(err, ctx.Err(), "commit with a context that has ended")
	}
	p.equal(0, len(p.log()), "number of events stored by commits with a context that has ended")
}

// commitEndsWaiting leaves open whether the driver waits or loses the race at once: it must not hang. Once a commit is
// under way, the end of its context may come too late to stop it, as where a request to cancel arrives after the lock that
// the commit waits for: then it is stored, as a whole, and a retry finds it. But a driver that stops its commits is in
// time now and then.
func commitEndsWaiting(p *probe) {
	const rounds = 10
	p.endWaiting(named("first"), false) // which a driver may have given up by itself before the context ends
	for i := range rounds {
		if stopped := p.endWaiting(named("%d", i), true); stopped {
			return
		}
	}
	p.fail("%d of %d commits that waited for another writer when their context ended went on and were stored", rounds, rounds)
}

// endWaiting reports whether a commit whose context ends while it waits is not stored.
func (p *probe) endWaiting(stream driver.StreamID, held bool) (stopped bool) {
	const moment = 20 * time.Millisecond
	tx := p.begin(p.handle)
	tx.append(stream, driver.Any, events(1)...)
	ctx, cancel := context.WithTimeout(p.ctx, moment)
	defer cancel()
	given := write(stream, driver.Any, events(2)...)
	given.Contended, given.Held = held, held
	_, err := p.drv.Commit(ctx, []driver.Write{given})
	if !errors.Is(err, driver.ErrRace) {
		p.is(err, context.DeadlineExceeded, "commit to a stream that an open transaction has written to, until the deadline")
	}
	tx.commit()
	began := time.Now()
	for len(p.stream(stream)) == 1 && time.Since(began) < moment {
		runtime.Gosched() // what goes on has this long to show
	}
	_, err = p.commit(p.ctx, given)
	stopped = err == nil
	p.that(stopped || len(storedIn(err)) == len(given.Events), "commit the same events again, after the context of the first "+
		"try ended: want a receipt, or a *driver.DuplicateError with all of them, got %s", brief(err))
	p.equal(3, len(p.stream(stream)), "number of events in the stream, one of them by the transaction")
	return stopped
}
