package drivertest

import (
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func g6() clause {
	return clause{id: "G6", text: "Positions are never reused after the newest events' transaction rolled back, after a restart, " +
		"or after a dump and restore; checkpoints stay valid across them.",
		cases: []testCase{
			{name: "after the newest events were rolled back", needs: []need{transactor}, run: positionsAfterRollback},
			{name: "after a restart", needs: []need{reopen}, run: func(p *probe) { p.resumes((*probe).restart) }},
			{name: "after a rollback and a restart", needs: []need{reopen, transactor}, run: positionsAfterRollbackAndRestart},
			{name: "after a dump and restore", needs: []need{restore}, run: func(p *probe) { p.resumes((*probe).restored) }},
			{name: "checkpoints after a restart", needs: []need{reopen, checkpointer}, run: checkpointAfterRestart},
			{name: "snapshots after a restart", needs: []need{reopen, snapshotter}, run: snapshotAfterRestart},
		}}
}

// restored goes on with a copy of the database that was dumped and restored.
func (p *probe) restored() {
	drv, err := obtain(p, "Database.Restore", func() (driver.Store, error) { return p.db.Restore(p.ctx) })
	p.ok(err, "dump and restore the database")
	p.handle = p.add(drv)
}

// rollBackNewest appends at the end of the log, rolls that back, and has the reader look while it is there and after it.
func (p *probe) rollBackNewest(reader *follower) {
	tx := p.begin(p.handle)
	tx.append(named("a"), driver.Any, events(2)...)
	p.outside(func() { p.ok(reader.toHead(p.ctx, p.drv), "read the log") })
	tx.rollback()
	p.ok(reader.toHead(p.ctx, p.drv), "read the log")
}

// A position that was rolled back counts as used only if a reader has gone past it: what nobody has seen, nobody misses.
func positionsAfterRollback(p *probe) {
	reader := newFollower()
	p.append(named("a"), driver.NoStream, events(1)...)
	for range 3 {
		p.rollBackNewest(reader)
		p.append(named("b"), driver.Any, events(1)...)
	}
	p.caughtUp(reader)
}

// caughtUp ends the case unless the reader, when it goes on from where it was, has got the log exactly.
func (p *probe) caughtUp(reader *follower) {
	p.ok(reader.toHead(p.ctx, p.drv), "read on from where the reader was")
	p.sameRecords(p.log(), reader.records, "what a reader got that went on from its position, compared with the log")
}

func positionsAfterRollbackAndRestart(p *probe) {
	reader := newFollower()
	p.append(named("a"), driver.NoStream, events(1)...)
	for range 2 {
		p.rollBackNewest(reader)
		p.restart()
		p.ok(reader.toHead(p.ctx, p.drv), "read the log after a restart")
		p.append(named("b"), driver.Any, events(1)...)
	}
	p.caughtUp(reader)
}

// resumes ends the case unless, after the database was away, everything is where it was and a reader can go on.
func (p *probe) resumes(comeBack func(*probe)) {
	reader := newFollower()
	for range 3 {
		p.append(named("a"), driver.Any, events(2)...)
		p.append(named("b"), driver.Any, events(1)...)
	}
	p.ok(reader.toHead(p.ctx, p.drv), "read the log")
	before, head := p.log(), p.head()
	comeBack(p)
	p.sameRecords(before, p.log(), "the log afterwards, compared with before")
	p.that(p.head() >= head, "the head is %d, before it was %d", p.head(), head)
	receipt := p.append(named("b"), 3, events(1)...)
	p.that(receipt.Position > head, "a new event has position %d, the head was %d before", receipt.Position, head)
	p.caughtUp(reader)
}

func checkpointAfterRestart(p *probe) {
	p.ok(p.drv.(driver.Checkpointer).SaveCheckpoint(p.ctx, "a", 0, 42, someTime), "move a checkpoint from 0 to 42")
	p.restart()
	p.checkpointIs("a", 42)
	p.ok(p.drv.(driver.Checkpointer).SaveCheckpoint(p.ctx, "a", 42, 43, someTime), "move a checkpoint from 42 to 43")
}

func snapshotAfterRestart(p *probe) {
	saved := snapshot(named("a"), 7)
	p.save(saved)
	p.restart()
	p.snapshotIs(saved)
}
