package drivertest

import (
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func store() clause {
	return clause{id: "Store", text: "Close releases what a handle took for itself. Other handles on the same database, in the same " +
		"process or in others, go on.",
		cases: []testCase{
			{name: "a handle goes on when others are closed", needs: []need{reopen}, run: othersAreClosed},
			{name: "a transaction goes on when another handle is closed", needs: []need{reopen, transactor}, run: othersAreClosedMeanwhile},
			{name: "a watcher goes on when another handle is closed", needs: []need{reopen, waiter}, run: othersAreClosedBeside},
		}}
}

// closes closes a handle in the midst of a case.
func (p *probe) closes(h *handle) {
	p.ok(h.close(), "close one of several handles")
}

// othersAreClosed closes the handle that was opened first, too: it may be the one that opened the database.
func othersAreClosed(p *probe) {
	handles := []*handle{p.handle, p.another(), p.another()}
	for i, version := 0, int64(0); i < len(handles); i++ {
		for _, h := range handles[i:] {
			h.append(named("a"), driver.ExpectedVersion(version), events(1)...)
			version++
			p.equal(int(version), len(h.stream(named("a"))), "events in the stream with %d of %d handles closed", i, len(handles))
			p.equal(int(version), len(h.log()), "events in the log with %d of %d handles closed", i, len(handles))
		}
		p.closes(handles[i])
	}
}

func othersAreClosedMeanwhile(p *probe) {
	first, other := p.handle, p.another()
	tx := p.begin(other)
	tx.append(named("a"), driver.NoStream, events(1)...)
	p.closes(first)
	tx.append(named("a"), 1, events(1)...)
	tx.commit()
	p.equal(2, len(other.stream(named("a"))), "events of a transaction, one before and one after another handle was closed")
}

func othersAreClosedBeside(p *probe) {
	writer, w, reader := p.another(), p.watch(), newFollower()
	gone := p.another()
	gone.append(named("a"), driver.NoStream, events(1)...)
	w.until(reader, 1, "by a commit through a handle that is closed then")
	p.closes(gone)
	for n := 2; n <= 5; n++ {
		writer.append(named("a"), driver.Any, events(1)...)
		w.until(reader, n, "by a commit after another handle was closed")
	}
}
