package drivertest_test

import (
	"context"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// hides has ReadAll overlook every third position while hide says so. Its pages are well made.
func (b *broken) hides(hide func() bool) {
	b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
		hidden := hide()
		limit := q.Limit
		q.Limit = min(limit<<20, 1<<20)
		page, err := b.toyHandle.ReadAll(ctx, q)
		page.Records = slices.DeleteFunc(page.Records, func(r driver.Record) bool { return hidden && r.Position%3 == 0 })
		if n := len(page.Records); n >= limit && n > 0 {
			page.Records = page.Records[:limit]
			page.Next = page.Records[limit-1].Position
		}
		return page, err
	}
}

func logFlaws() []flaw {
	return slices.Concat(orderFlaws(), deliveryFlaws(), restartFlaws())
}

func orderFlaws() []flaw {
	return []flaw{
		{name: "it makes the last write first", catches: []catch{
			{"G1/positions grow in the order of the writes and of their events", "the first write ended at position 5"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				writes = slices.Clone(writes)
				slices.Reverse(writes)
				receipts, err := b.toyHandle.Commit(ctx, writes)
				slices.Reverse(receipts)
				return receipts, err
			}
		}},
		{name: "it hands a transaction its own events", catches: []catch{
			{"G1/a transaction is not handed its own events", "which itself appended 3"},
		}, spoil: func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				page, err := b.toyHandle.ReadAll(ctx, q)
				tx, _ := b.carried(ctx)
				if tx == nil {
					return page, err
				}
				for _, r := range tx.pending {
					if r.Position > q.After {
						page.Records = append(page.Records, r)
						page.Next, page.Head = r.Position, r.Position
					}
				}
				return page, err
			}
		}},
	}
}

// overlooksWhileBusy makes sure that somebody looks while a transaction is open.
func overlooksWhileBusy() func(b *broken) {
	meet := meeting(20 * time.Millisecond)
	return func(b *broken) {
		b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
			receipts, err := b.toyHandle.Commit(ctx, writes)
			if b.inside(ctx) {
				meet()
			}
			return receipts, err
		}
		b.hides(func() bool {
			busy := b.db.busy()
			if busy {
				meet()
			}
			return busy
		})
	}
}

func deliveryFlaws() []flaw {
	return []flaw{
		{name: "it overlooks events", catches: []catch{
			{"G1/readers that start over, while writers write", "events that are not in the log"},
			{"G2/readers with filters and small pages, while writers write", "events that are not in the log"},
			{"G2/every size of page", "events in the log: want 9, got 6"},
		}, spoil: func(b *broken) { b.hides(func() bool { return true }) }},
		{name: "it overlooks events while others write", catches: []catch{
			{"G1/readers that start over, while writers write", "while others wrote, compared with"},
			{"G2/readers with filters and small pages, while writers write", "while others wrote, compared with"},
		}, spoil: overlooksWhileBusy()},
		{name: "it goes one too far at the head", hangs: true, catches: []catch{
			{"G8/subscribers that come to the head again and again", "subscriber "},
		}, spoil: oneTooFar()},
	}
}

// oneTooFar makes sure that somebody has come to the head before the next commit.
func oneTooFar() func(b *broken) {
	meet := meeting(50 * time.Millisecond)
	return func(b *broken) {
		b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
			page, err := b.toyHandle.ReadAll(ctx, q)
			if len(page.Records) == 0 && q.Limit > 0 {
				page.Next++
				meet()
			}
			return page, err
		}
		b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
			meet()
			return b.toyHandle.Commit(ctx, writes)
		}
	}
}

// restartFlaws are made when a handle is opened. On the first one of a database they do nothing.
func restartFlaws() []flaw {
	return []flaw{
		{name: "it goes on after the newest event that is there", catches: []catch{
			{"G6/after the newest events were rolled back", "compared with the log"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				b.db.forget()
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{name: "it goes on after the newest event when it is restarted", catches: []catch{
			{"G6/after a rollback and a restart", "compared with the log"},
		}, spoil: func(b *broken) { b.db.forget() }},
		{name: "it counts from 1 again when it is restarted", catches: []catch{
			{"G6/after a restart", "a new event has position 1, the head was 9 before"},
			{"G6/after a dump and restore", "a new event has position 1, the head was 9 before"},
		}, spoil: func(b *broken) {
			b.db.sequence = 0
			b.db.mark = func(db *toy) int64 { return max(db.sequence, int64(len(db.log))) }
		}},
		{name: "its newest commit is lost when it is restarted", catches: []catch{
			{"G6/after a restart", "the log afterwards, compared with before: want 9 records, got 8"},
		}, spoil: func(b *broken) { b.db.loseNewest() }},
		{name: "it forgets checkpoints when it is restarted", catches: []catch{
			{"G6/checkpoints after a restart", `checkpoint "a": want 42, got 0`},
		}, spoil: func(b *broken) { clear(b.db.state) }},
		{name: "it forgets snapshots when it is restarted", catches: []catch{
			{"G6/snapshots after a restart", "has no snapshot"},
		}, spoil: func(b *broken) { clear(b.db.state) }},
	}
}

// loseNewest takes back the last commit, as a server does that acknowledged it before its log was on disk and then
// crashed. It does nothing while an append is under way.
func (db *toy) loseNewest() {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.busyLocked() {
		return
	}
	for _, r := range db.newest {
		delete(db.ids, r.ID)
		db.log = slices.DeleteFunc(db.log, func(other driver.Record) bool { return other.ID == r.ID })
		db.streams[r.Stream] = slices.DeleteFunc(db.streams[r.Stream], func(other driver.Record) bool { return other.ID == r.ID })
	}
	db.newest = nil
}
