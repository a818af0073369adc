package drivertest_test

import (
	"context"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// forget sets the sequence back to the newest event, unless an append is under way.
func (db *toy) forget() {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.busyLocked() {
		return
	}
	db.sequence = 0
	if n := len(db.log); n > 0 {
		db.sequence = db.log[n-1].Position
	}
}

// busy reports whether a transaction has appended and is still open.
func (db *toy) busy() bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.busyLocked()
}

func (db *toy) busyLocked() bool {
	for tx := range db.open {
		if len(tx.pending) > 0 {
			return true
		}
	}
	return false
}

// markedBy replaces the tide mark.
func markedBy(mark func(db *toy) int64) func(b *broken) {
	return func(b *broken) { b.db.mark = mark }
}

func naiveMark(db *toy) int64 { return db.sequence }

// heldSince is a mark that an open transaction of the caller's holds from its first call of a kind.
func heldSince(kind string) func(b *broken) {
	return markedBy(func(db *toy) int64 {
		mark := db.soundMark()
		for tx := range db.open {
			if at, ok := tx.since[kind]; ok && tx.explicit {
				mark = min(mark, at)
			}
		}
		return mark
	})
}

// heldByRollbacks is a mark that never passes what was rolled back.
func heldByRollbacks(b *broken) {
	var all []*toyTx
	b.db.begun = func(tx *toyTx) { all = append(all, tx) }
	b.db.mark = func(db *toy) int64 {
		mark := db.soundMark()
		for _, tx := range all {
			if tx.ended && !tx.committed && len(tx.pending) > 0 {
				mark = min(mark, tx.pending[0].Position-1)
			}
		}
		return mark
	}
}

// heldByConflicts takes a position before it looks for a conflict, and its mark waits for it.
func heldByConflicts(b *broken) {
	lost := int64(-1)
	b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		receipts, err := b.toyHandle.Commit(ctx, writes)
		if err != nil && lost < 0 {
			b.db.mu.Lock()
			defer b.db.mu.Unlock()
			lost = b.db.sequence
			b.db.sequence++
		}
		return receipts, err
	}
	b.db.mark = func(db *toy) int64 {
		if lost < 0 {
			return db.soundMark()
		}
		return min(lost, db.soundMark())
	}
}

func markFlaws() []flaw {
	const lost, stalled = "compared with the log read at once", "events of stream"
	return []flaw{
		{name: "its readers don't wait for older positions", spoil: markedBy(naiveMark), catches: []catch{
			{"G1/an early position that is committed late", lost},
			{"G1/commits in reverse order", lost},
			{"G1/two appends of a transaction around another's commit", lost},
			{"G1/the first events ever", lost},
			{"G1/a rollback between commits", lost},
		}},
		{name: "a transaction has its first position from its beginning", catches: []catch{
			{"G1/an early transaction that appends late", lost},
		}, spoil: func(b *broken) {
			b.db.begun = func(tx *toyTx) {
				b.db.sequence++
				tx.reserved = b.db.sequence
			}
		}},
		{name: "conflicts hold its readers up", spoil: heldByConflicts, catches: []catch{
			{"G3/after conflicts, duplicates and empty appends", stalled},
		}},
		{name: "rollbacks hold its readers up", spoil: heldByRollbacks, catches: []catch{{"G3/after a rollback", stalled}}},
		{name: "open transactions hold its readers up", spoil: heldSince("begin"), catches: []catch{
			{"G3/an open transaction that only read", stalled},
		}},
		{name: "conflicts in open transactions hold its readers up", spoil: heldSince("commit"), catches: []catch{
			{"G3/an open transaction whose appends conflicted", stalled},
		}},
		{name: "snapshots in open transactions hold its readers up", spoil: heldSince("snapshot"), catches: []catch{
			{"G3/an open transaction that saved a snapshot", stalled},
		}},
		{name: "checkpoints in open transactions hold its readers up", spoil: heldSince("checkpoint"), catches: []catch{
			{"G3/an open transaction that moved a checkpoint", stalled},
		}},
		{name: "its writers take turns and it doesn't say so", hangs: true, catches: []catch{
			{"G4/a writer commits while a transaction has written to another stream", "context deadline exceeded"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) (receipts []driver.Receipt, err error) {
				err = b.within(ctx, "commit", func(tx *toyTx) (err error) {
					if err = tx.lock(ctx, "writer"); err == nil {
						receipts, err = tx.write(ctx, writes)
					}
					return err
				})
				return receipts, err
			}
		}},
		{name: "those who wait for a transaction keep others from their turn", hangs: true, catches: []catch{
			{"G4/many wait for a transaction that has written to their stream", "context deadline exceeded"},
		}, spoil: func(b *broken) { b.db.patient, b.batches = true, true }},
	}
}
