package drivertest_test

import (
	"context"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// modelFlaws are found by random histories. What they catch is a part of the error.
func modelFlaws() []flaw {
	differ := []catch{{says: "the drivers differ"}}
	return slices.Concat([]flaw{
		{name: "a commit now and then is taken with any expectation", catches: differ, spoil: func(b *broken) {
			lenient := every(3)
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if lenient() {
					writes = expecting(writes, anyVersion)
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{name: "the third duplicate is not reported", catches: differ, spoil: func(b *broken) {
			b.duplicates(func(stored []driver.Record, _ []driver.Write) []driver.Record { return stored[:min(2, len(stored))] })
		}},
		{name: "an event of a rolled-back transaction stays", catches: differ, spoil: func(b *broken) {
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				err := b.toyHandle.Transact(ctx, fn)
				if err != nil {
					e := driver.Event{Type: "left", Schema: 1, RecordedAt: time.Unix(0, 0).UTC()}
					_, _ = b.toyHandle.Commit(ctx, []driver.Write{{Stream: driver.StreamID{Type: "order", ID: "1"}, Expected: driver.Any,
						Events: []driver.Event{e}}})
				}
				return err
			}
		}},
	}, modelReadFlaws())
}

func modelReadFlaws() []flaw {
	differ := []catch{{says: "the drivers differ"}}
	return []flaw{
		{name: "reading backward starts at the head whatever To is", catches: differ, spoil: func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				if q.Backward {
					q.To = 0
				}
				return b.toyHandle.ReadStream(ctx, q)
			}
		}},
		{name: "a transaction reads what was there before it", catches: differ, spoil: func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				return b.toyHandle.ReadStream(outside(ctx), q)
			}
		}},
		{name: "a page of the log is not well made", catches: []catch{{says: "driver 2 of 2: page after position"}}, spoil: func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				page, err := b.toyHandle.ReadAll(ctx, q)
				if q.Limit == 3 {
					page.Next = page.Head
				}
				return page, err
			}
		}},
		{name: "snapshots are saved whatever their version is", catches: differ, spoil: lastSnapshotStays},
		{name: "checkpoints are kept for names in lower case", catches: differ, spoil: func(b *broken) {
			b.loadCheckpoint = func(ctx context.Context, name string) (int64, error) { return b.toyHandle.LoadCheckpoint(ctx, "a") }
		}},
	}
}
