package drivertest

import (
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func t2() clause {
	needs := []need{transactor}
	return clause{id: "T2", text: "A conflict inside leaves the transaction usable or says plainly that it must be rolled back.",
		cases: []testCase{
			{name: "after a conflict", needs: needs, run: usableAfterConflict},
			{name: "after a duplicate", needs: needs, run: usableAfterDuplicate},
			{name: "after a conflict in the last of several writes", needs: needs, run: nothingOfSeveralWrites},
		}}
}

func usableAfterConflict(p *probe) {
	tx := p.begin(p.handle)
	tx.append(named("a"), driver.NoStream, events(2)...)
	for _, expected := range []driver.ExpectedVersion{driver.NoStream, 1, 7} {
		_, err := tx.tryCommit(write(named("a"), expected, events(1)...))
		p.conflict(err, named("a"), 2, "append inside a transaction to version 2, expecting %v", expected)
	}
	_, err := tx.tryCommit(write(named("b"), driver.StreamExists, events(1)...))
	p.conflict(err, named("b"), 0, "append inside a transaction to a missing stream, expecting that it exists")
	tx.append(named("a"), 2, events(1)...)
	tx.append(named("b"), driver.NoStream, events(1)...)
	tx.commit()
	p.equal(3, len(p.stream(named("a"))), "events in the stream after conflicts inside the transaction")
	p.equal(4, len(p.log()), "events in the log after conflicts inside the transaction")
}

func usableAfterDuplicate(p *probe) {
	before, inside := events(1), events(2)
	p.append(named("a"), driver.NoStream, before...)
	stored := p.stream(named("a"))
	tx := p.begin(p.handle)
	tx.append(named("b"), driver.NoStream, inside...)
	_, err := tx.tryCommit(write(named("a"), 1, event("noted"), before[0]))
	p.duplicate(err, stored, "append inside a transaction an event that is stored")
	_, err = tx.tryCommit(write(named("b"), driver.NoStream, inside...))
	p.that(storedIn(err) != nil, "append inside a transaction what it has appended: want a *driver.DuplicateError, got %s", brief(err))
	p.sameEvents(inside, storedIn(err), "the DuplicateError for events that the same transaction appended")
	tx.append(named("a"), 1, events(1)...)
	tx.append(named("b"), 2, events(1)...)
	tx.commit()
	p.equal(5, len(p.log()), "events in the log after duplicates inside the transaction")
}

func nothingOfSeveralWrites(p *probe) {
	p.append(named("b"), driver.NoStream, events(1)...)
	tx := p.begin(p.handle)
	_, err := tx.tryCommit(write(named("a"), driver.NoStream, events(2)...), write(named("b"), driver.NoStream, events(1)...))
	p.conflict(err, named("b"), 1, "commit inside a transaction to two streams, one of them not as expected")
	tx.append(named("c"), driver.NoStream, events(1)...)
	tx.commit()
	streams := []driver.StreamID{named("b"), named("c")}
	for _, r := range p.log() {
		p.that(slices.Contains(streams, r.Stream), "an event of stream %q is stored, from a commit that failed", r.Stream)
	}
	p.append(named("a"), driver.NoStream, events(1)...)
}
