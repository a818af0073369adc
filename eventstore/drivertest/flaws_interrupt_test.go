package drivertest_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func interruptFlaws() []flaw {
	return slices.Concat(heedlessFlaws(), earlyEndFlaws(), heldConnectionFlaws())
}

func heedlessFlaws() []flaw {
	return []flaw{
		{name: "its reads pay no heed to the context", catches: []catch{
			{"R3/a context that has ended fails every method", "want an error that wraps"},
		}, spoil: func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				return b.toyHandle.ReadStream(context.WithoutCancel(ctx), q)
			}
		}},
		{name: "its head pays no heed to the context", catches: []catch{
			{"R3/a context that has ended fails every method", "ReadAll with limit 0"},
		}, spoil: func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				if q.Limit == 0 {
					ctx = context.WithoutCancel(ctx)
				}
				return b.toyHandle.ReadAll(ctx, q)
			}
		}},
		{name: "its snapshots pay no heed to the context", catches: []catch{
			{"R3/a context that has ended fails snapshots", "SaveSnapshot with a context that has ended"},
		}, spoil: func(b *broken) {
			b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
				return b.toyHandle.SaveSnapshot(context.WithoutCancel(ctx), s)
			}
		}},
		{name: "its checkpoints pay no heed to the context", catches: []catch{
			{"R3/a context that has ended fails checkpoints", "SaveCheckpoint with a context that has ended"},
		}, spoil: func(b *broken) {
			b.saveCheckpoint = func(ctx context.Context, name string, from, to int64, at time.Time) error {
				return b.toyHandle.SaveCheckpoint(context.WithoutCancel(ctx), name, from, to, at)
			}
		}},
	}
}

func earlyEndFlaws() []flaw {
	return []flaw{
		{name: "it ends the page when the context ends", catches: []catch{
			{"R3/a context cancelled in mid-iteration", "want an error that wraps"},
		}, spoil: func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				page, err := b.toyHandle.ReadStream(ctx, q)
				if errors.Is(err, context.Canceled) {
					err = nil
				}
				return page, err
			}
		}},
		{name: "it ends the page before a record that it can't read", catches: []catch{{"R3/a damaged event", "and no error"}},
			spoil: func(b *broken) {
				b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
					page, err := b.toyHandle.ReadStream(ctx, q)
					for err != nil && q.Limit > 1 {
						q.Limit--
						page, err = b.toyHandle.ReadStream(ctx, q)
					}
					return page, err
				}
			}},
		{name: "it leaves out of the log what it can't read", catches: []catch{
			{"R3/a damaged event in the log", "reading the log of 10 events, version 5 of which is damaged, hands out 9 and no error"},
		}, spoil: func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				b.db.mu.Lock()
				damaged := maps.Clone(b.db.damaged)
				clear(b.db.damaged)
				b.db.mu.Unlock()
				page, err := b.toyHandle.ReadAll(ctx, q)
				page.Records = slices.DeleteFunc(page.Records, func(r driver.Record) bool { return damaged[toyVersion{r.Stream, r.Version}] })
				return page, err
			}
		}},
		{name: "it ends the page when the connection is lost", catches: []catch{
			{"R3/a connection that dies in mid-iteration", "and no error"},
		}, spoil: func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				page, err := b.toyHandle.ReadStream(ctx, q)
				if errors.Is(err, driver.ErrUnavailable) {
					err = nil
				}
				return page, err
			}
		}},
	}
}

// heldConnectionFlaws have a pool of one connection, which a page that was cut keeps until the stream is read on.
func heldConnectionFlaws() []flaw {
	return []flaw{
		{name: "a page that was cut keeps its connection", hangs: true, catches: []catch{
			{"R4/calls after iterations that were left", "context deadline exceeded"},
			{"R4/calls inside the loop", "context deadline exceeded"},
			{"G4/a writer commits while readers are in the midst of the log and a stream", "context deadline exceeded"},
		}, spoil: func(b *broken) {
			pool := make(chan struct{}, 1)
			pool <- struct{}{}
			take := func(ctx context.Context) error {
				select {
				case <-pool:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			reading := false
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				if reading && q.From == 1 && q.To == 0 || !reading {
					if err := take(ctx); err != nil {
						return nil, err
					}
				}
				page, err := b.toyHandle.ReadStream(ctx, q)
				if reading = len(page) == q.Limit; !reading {
					pool <- struct{}{}
				}
				return page, err
			}
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if err := take(ctx); err != nil {
					return nil, err
				}
				defer func() { pool <- struct{}{} }()
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
	}
}
