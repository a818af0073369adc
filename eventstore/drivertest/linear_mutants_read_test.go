package drivertest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func readMutants() []mutant {
	return []mutant{
		{"reads what was there a moment ago", []string{"linearizable", "reads"}, func(b *broken) {
			stale := every(7)
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				page, err := b.toyHandle.ReadStream(ctx, q)
				if stale() && !b.inside(ctx) {
					time.Sleep(3 * time.Millisecond)
				}
				return page, err
			}
			b.readStream = answersTwice(b.readStream)
		}},
		{"hands out events in the order of their names", []string{"reads", "errors"}, func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				page, err := b.toyHandle.ReadStream(ctx, q)
				if len(page) > 10 {
					slices.Reverse(page[len(page)-2:])
				}
				return page, err
			}
		}},
		{"reads another event's metadata", []string{"reads", "log"}, func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				page, err := b.toyHandle.ReadStream(ctx, q)
				for i := 1; i < len(page); i++ {
					page[i].Metadata = page[0].Metadata
				}
				return page, err
			}
		}},
		{"shows a transaction's events before it commits", []string{"reads", "nothing else", "linearizable", "ends"}, func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				page, err := b.toyHandle.ReadStream(ctx, q)
				if !b.inside(ctx) && !q.Backward && q.To == 0 && len(page) < q.Limit {
					page = append(page, b.uncommitted(q, int64(len(page)))...)
				}
				return page, err
			}
		}},
		{"ends a page early while somebody writes", []string{"linearizable", "reads"}, func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				page, err := b.toyHandle.ReadStream(ctx, q)
				if b.db.busy() && len(page) > 1 && !q.Backward {
					page = page[:len(page)-1]
				}
				return page, err
			}
		}},
	}
}

// answersTwice gives the answer to a query once more, if it comes again at once.
func answersTwice(read func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error)) func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	var mu sync.Mutex
	known := make(map[driver.StreamQuery][]driver.Record)
	return func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
		mu.Lock()
		page, ok := known[q]
		delete(known, q)
		mu.Unlock()
		if ok {
			return page, nil
		}
		page, err := read(ctx, q)
		if tx := ctx.Value(toyKey{}); err == nil && tx == nil {
			mu.Lock()
			defer mu.Unlock()
			known[q] = page
		}
		return page, err
	}
}

// uncommitted returns what open transactions have appended to a stream that a reader came to the end of.
func (b *broken) uncommitted(q driver.StreamQuery, n int64) []driver.Record {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	var records []driver.Record
	for tx := range b.db.open {
		for _, r := range tx.pendingOf(q.Stream) {
			if r.Version == q.From+n+int64(len(records)) {
				records = append(records, r)
			}
		}
	}
	return records
}

func logMutants() []mutant {
	return []mutant{
		{"reads past the mark", []string{"log"}, markedBy(naiveMark)},
		{"uses the positions of a rollback again", []string{"log"}, func(b *broken) {
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				err := b.toyHandle.Transact(ctx, fn)
				if err != nil {
					time.Sleep(2 * time.Millisecond)
					b.db.forget()
				}
				return err
			}
		}},
		{"takes positions from a supply of each handle's own", []string{"real time", "log", "versions"}, positionsInSupply},
		{"skips an event when it comes to the head", []string{"log"}, func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				page, err := b.toyHandle.ReadAll(ctx, q)
				if err == nil && q.Limit > 0 && page.Next == page.Head && b.db.busy() {
					page.Next, page.Head = page.Next+1, page.Head+1
				}
				return page, err
			}
		}},
		{"goes back to the page before at a page's border", []string{"log"}, func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				page, err := b.toyHandle.ReadAll(ctx, q)
				if n := len(page.Records); n == q.Limit && n > 1 {
					page.Next = page.Records[n-2].Position
				}
				return page, err
			}
		}},
		{"overlooks some events while others write", []string{"log", "fresh"}, func(b *broken) { b.hides(b.db.busy) }},
		{"reads the log as it was a while ago", []string{"fresh"}, func(b *broken) {
			mark, at := int64(0), time.Time{}
			b.db.mark = func(db *toy) int64 {
				if time.Since(at) > 10*time.Millisecond {
					mark, at = db.soundMark(), time.Now()
				}
				return mark
			}
		}},
		{"holds the mark after a rollback", []string{"log"}, heldByRollbacks},
	}
}

// positionsInSupply has each handle fetch ten positions at a time.
func positionsInSupply(b *broken) {
	supply := make(map[*toyHandle][]int64)
	b.db.begun = func(tx *toyTx) {
		if len(supply[tx.h]) == 0 {
			for range 10 {
				b.db.sequence++
				supply[tx.h] = append(supply[tx.h], b.db.sequence)
			}
		}
		tx.reserved, supply[tx.h] = supply[tx.h][0], supply[tx.h][1:]
	}
}

func batchMutants() []mutant {
	return []mutant{
		{"gives two callers of a batch each other's outcome", []string{"receipts", "nothing lost", "errors"}, func(b *broken) {
			b.batches = true
			b.commitBatch = func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
				outcomes, err := b.toyHandle.CommitBatch(ctx, commits)
				if n := len(outcomes); n > 1 {
					outcomes[0], outcomes[n-1] = outcomes[n-1], outcomes[0]
				}
				return outcomes, err
			}
		}},
		{"forgets the last commit of a batch", []string{"nothing lost", "receipts"}, func(b *broken) {
			b.batches = true
			b.commitBatch = func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
				n := len(commits) - 1
				outcomes, err := b.toyHandle.CommitBatch(ctx, commits[:n])
				return append(outcomes, driver.Outcome{Receipts: make([]driver.Receipt, len(commits[n]))}), err
			}
		}},
		{"judges every commit of a batch by what was there before it", []string{"expectations", "once", "linearizable", "receipts", "nothing lost", "versions"}, func(b *broken) {
			b.batches = true
			judgedByBefore(b)
		}},
		{"gives a retry the receipt of the first try that is in the same batch", []string{"expectations", "once", "nothing lost", "receipts"}, func(b *broken) {
			b.batches = true
			b.commitBatch = ownersByID(b)
		}},
	}
}

// ownersByID stores every commit that can be stored and hands its receipt to the last commit that has its ids.
func ownersByID(b *broken) func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	return func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
		outcomes, err := b.toyHandle.CommitBatch(ctx, commits)
		for i, writes := range commits {
			for j := range i {
				if sameIDs(commits[j], writes) && outcomes[j].Err == nil {
					outcomes[i], outcomes[j] = outcomes[j], outcomes[i]
				}
			}
		}
		return outcomes, err
	}
}

func sameIDs(a, b []driver.Write) bool {
	return len(a) == 1 && len(b) == 1 && len(a[0].Events) > 0 && slices.EqualFunc(a[0].Events, b[0].Events,
		func(x, y driver.Event) bool { return x.ID == y.ID })
}
