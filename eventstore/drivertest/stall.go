package drivertest

import (
	"context"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func g3() clause {
	open := []need{transactor, connections}
	return clause{id: "G3", text: "Rolled-back and conflicting appends stall no reader; an idle or writing transaction that " +
		"appended nothing stalls no reader, in this database or another of the same server.",
		cases: []testCase{
			{name: "after conflicts, duplicates and empty appends", run: refusalsStallNobody},
			{name: "after a rollback", needs: []need{transactor}, run: rollbackStallsNobody},
			{name: "an open transaction that only read", needs: open, run: readingStallsNobody},
			{name: "an open transaction whose appends conflicted", needs: open, run: conflictingStallsNobody},
			{name: "an open transaction that saved a snapshot", needs: slices.Concat(open, []need{snapshotter}), run: snapshotStallsNobody},
			{name: "an open transaction that moved a checkpoint", needs: slices.Concat(open, []need{checkpointer}), run: checkpointStallsNobody},
		}}
}

// arrives ends the case unless a new event is handed out at once. With one writer and an open transaction nothing can be
// appended; then the log must be readable as it is.
func (p *probe) arrives(reader *follower, open bool) {
	if !open || !p.db.OneWriter {
		p.append(named("arriving"), driver.Any, events(1)...)
	}
	p.ok(reader.toHead(p.ctx, p.drv), "read the log")
	arrived := len(reader.records)
	p.equal(len(p.stream(named("arriving"))), countOf(named("arriving"), reader.records),
		"events of stream %q among the %d that were handed out", named("arriving"), arrived)
}

func countOf(stream driver.StreamID, records []driver.Record) int {
	n := 0
	for _, r := range records {
		if r.Stream == stream {
			n++
		}
	}
	return n
}

func refusalsStallNobody(p *probe) {
	reader, stored := newFollower(), events(2)
	p.append(named("a"), driver.NoStream, stored...)
	p.arrives(reader, false)
	_, err := p.commit(p.ctx, write(named("a"), 7, events(2)...))
	p.conflict(err, named("a"), 2, "append to version 2, expecting version 7")
	p.arrives(reader, false)
	_, err = p.commit(p.ctx, write(named("a"), 2, stored[0], event("noted")))
	p.that(storedIn(err) != nil, "append an event again: want a *driver.DuplicateError, got %s", brief(err))
	p.arrives(reader, false)
	p.append(named("a"), 2)
	p.arrives(reader, false)
}

func rollbackStallsNobody(p *probe) {
	reader := newFollower()
	for _, n := range []int{1, 3} {
		tx := p.begin(p.handle)
		tx.append(named("a"), driver.Any, events(n)...)
		tx.rollback()
		p.arrives(reader, false)
	}
}

// openStallsNobody holds a transaction open that has done something other than appending.
func (p *probe) openStallsNobody(f func(tx *held)) {
	reader := newFollower()
	p.append(named("a"), driver.NoStream, events(1)...)
	p.append(named("arriving"), driver.NoStream, events(1)...)
	tx := p.begin(p.handle)
	p.arrives(reader, true)
	f(tx)
	p.arrives(reader, true)
	p.arrives(reader, true)
	tx.commit()
	p.arrives(reader, false)
}

func readingStallsNobody(p *probe) {
	p.openStallsNobody(func(tx *held) {
		tx.do(func(ctx context.Context) {
			_, err := p.readStream(ctx, named("a"))
			p.ok(err, "read a stream inside a transaction")
			_, err = readPage(ctx, p.drv, driver.AllQuery{Limit: 10, MaxBytes: manyBytes})
			p.ok(err, "read the log inside a transaction")
		})
	})
}

func conflictingStallsNobody(p *probe) {
	p.openStallsNobody(func(tx *held) {
		_, err := tx.tryCommit(write(named("a"), 7, events(2)...))
		p.conflict(err, named("a"), 1, "append inside a transaction, expecting version 7")
		_, err = tx.tryCommit(write(named("b"), driver.Any, events(1)...), write(named("a"), driver.NoStream))
		p.conflict(err, named("a"), 1, "append inside a transaction, expecting that another stream is missing")
	})
}

func snapshotStallsNobody(p *probe) {
	p.openStallsNobody(func(tx *held) {
		tx.do(func(ctx context.Context) {
			p.ok(p.drv.(driver.Snapshotter).SaveSnapshot(ctx, snapshot(named("a"), 1)), "save a snapshot inside a transaction")
		})
	})
}

func checkpointStallsNobody(p *probe) {
	p.openStallsNobody(func(tx *held) {
		tx.do(func(ctx context.Context) {
			p.ok(p.drv.(driver.Checkpointer).SaveCheckpoint(ctx, "a", 0, 1, someTime), "move a checkpoint inside a transaction")
		})
	})
}

func g4() clause {
	return clause{id: "G4", text: "A reader never makes a writer wait; writers of different streams never wait for each " +
		"other's commits.",
		cases: []testCase{
			{name: "a writer commits while readers are in the midst of the log and a stream", run: readersHoldNobodyUp},
			{name: "a writer commits while a transaction has written to another stream", needs: []need{transactor, manyWriters},
				run: writersDontWait},
			{name: "many wait for a transaction that has written to their stream", needs: []need{transactor, manyWriters},
				run: waitersAreInNobodysWay},
		}}
}

// readersHoldNobodyUp has each iteration pause in mid-page until a commit of another goroutine is through.
func readersHoldNobodyUp(p *probe) {
	store := p.appendLongStream()
	for what, read := range iterations(store) {
		_, err := interrupted(read(p.ctx), 3, func() {
			p.together(2, func(ctx context.Context, i int) error {
				_, err := p.commit(ctx, write(named("%d", i), driver.Any, events(1)...))
				return err
			})
		})
		p.ok(err, "read %s, pausing for others' commits", what)
	}
}

func writersDontWait(p *probe) {
	one, two := p.begin(p.handle), p.begin(p.handle)
	one.append(named("a"), driver.Any, events(1)...)
	two.append(named("b"), driver.Any, events(2)...)
	p.append(named("c"), driver.Any, events(1)...)
	one.append(named("d"), driver.Any, events(1)...)
	p.append(named("c"), driver.Any, events(1)...)
	two.commit()
	one.commit()
	p.equal(6, len(p.log()), "events in the log")
}

// waitersAreInNobodysWay goes on for long enough to meet those who wait, whatever it is that they have taken.
func waitersAreInNobodysWay(p *probe) {
	const waiting = 8
	store, tx := p.portable(), p.begin(p.handle)
	tx.append(named("a"), driver.Any, events(1)...)
	tasks := make([]*task, waiting)
	for i := range tasks {
		tasks[i] = p.start(func(ctx context.Context) error {
			_, err := store.Append(ctx, named("a"), eventstore.Any, notes(1)...)
			return err
		})
	}
	others := 0
	for began := time.Now(); others < 20 || time.Since(began) < 200*time.Millisecond; others++ {
		_, err := store.Append(p.ctx, named("other %d", others), eventstore.NoStream, notes(1)...)
		p.ok(err, "append to another stream while %d wait for a transaction", waiting)
	}
	tx.commit()
	for _, t := range tasks {
		t.wait("append to a stream that a transaction has written to, once that is committed")
	}
	p.equal(1+waiting+others, len(p.log()), "events in the log")
}
