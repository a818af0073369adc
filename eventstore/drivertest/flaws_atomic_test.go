package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func atomicityFlaws() []flaw {
	return slices.Concat(refusalFlaws(), interruptionFlaws(), writeByWriteFlaws(), limitFlaws(), contextFlaws())
}

func refusalFlaws() []flaw {
	return []flaw{
		{name: "it writes before it looks for a conflict", catches: []catch{
			{"A5/a conflict leaves nothing", "events in the log after a conflict"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				receipts, err := b.toyHandle.Commit(ctx, writes)
				var conflict *driver.ConflictError
				if errors.As(err, &conflict) {
					_, _ = b.toyHandle.Commit(ctx, expecting(writes, anyVersion))
				}
				return receipts, err
			}
		}},
		{name: "it inserts what is not stored already", catches: []catch{
			{"A5/an id that is stored already leaves nothing", "the log after it"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				receipts, err := b.toyHandle.Commit(ctx, writes)
				for _, r := range storedIn(err) {
					writes[0].Events = slices.DeleteFunc(slices.Clone(writes[0].Events), func(e driver.Event) bool { return e.ID == r.ID })
				}
				if storedIn(err) != nil {
					_, _ = b.toyHandle.Commit(ctx, expecting(writes, anyVersion))
				}
				return receipts, err
			}
		}},
	}
}

func interruptionFlaws() []flaw {
	return []flaw{
		{name: "it leaves a part when the context ends", catches: []catch{
			{"A5/a context that ends during the commit leaves all or nothing", "which failed"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				_, _ = b.toyHandle.Commit(context.WithoutCancel(ctx), partOf(writes))
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}},
		{name: "it leaves a part when the connection is lost", catches: []catch{
			{"A5/a lost connection leaves all or nothing", "event id already used"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if fails, _ := b.db.cutOff(); fails {
					_, _ = b.toyHandle.Commit(ctx, partOf(writes))
					return nil, driver.ErrUnavailable
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
	}
}

func writeByWriteFlaws() []flaw {
	return []flaw{
		{name: "it commits write by write", catches: []catch{
			{"A10/one bad expectation writes nothing anywhere", "the log after a conflict in write 2 of 3"},
			{"T2/after a conflict in the last of several writes", `an event of stream "note-a" is stored`},
		}, spoil: func(b *broken) { b.commit = b.writeByWrite(func() {}) }},
		{name: "it commits write by write under a reader's eyes", catches: []catch{
			{"A10/a reader sees all of it or nothing", "without the other of its commit"},
		}, spoil: func(b *broken) {
			looked := make(chan struct{}, 1)
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				page, err := b.toyHandle.ReadAll(ctx, q)
				if len(page.Records)%2 != 0 { // the reader who sees half of a commit may be gone right after
					select {
					case looked <- struct{}{}:
					default:
					}
				}
				return page, err
			}
			var once sync.Once
			b.commit = b.writeByWrite(func() { once.Do(func() { <-looked }) })
		}},
	}
}

// writeByWrite is a commit that calls pause after each write.
func (b *broken) writeByWrite(pause func()) func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	return func(ctx context.Context, writes []driver.Write) (receipts []driver.Receipt, err error) {
		for _, w := range writes {
			one, err := b.toyHandle.Commit(ctx, []driver.Write{w})
			if err != nil {
				return nil, err
			}
			receipts = append(receipts, one...)
			pause()
		}
		return receipts, nil
	}
}

func limitFlaws() []flaw {
	return []flaw{
		{name: "it takes no more than 1,000 events at a time", catches: []catch{
			{"A9/5,000 events and their retry", "number of stored events: want 5000, got 1000"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				writes = slices.Clone(writes)
				for i, w := range writes {
					writes[i].Events = w.Events[:min(1000, len(w.Events))]
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{name: "it refuses a large event without saying what is allowed", catches: []catch{
			{"A9/an event of 5 MB", "names no limit"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if len(writes[0].Events[0].Data) > 1<<20 {
					return nil, errors.New("string or blob too big")
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
	}
}

// partOf is the first event of the first write.
func partOf(writes []driver.Write) []driver.Write {
	w := writes[0]
	w.Events = w.Events[:1]
	return []driver.Write{w}
}

func contextFlaws() []flaw {
	return []flaw{
		{name: "its commits pay no heed to the context", catches: []catch{
			{"A11/a context that has ended before the call", "want an error that wraps"},
			{"B3/a context that has ended before the call", "want an error that wraps"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				return b.toyHandle.Commit(context.WithoutCancel(ctx), writes)
			}
		}},
		{name: "its commits go on when their context has ended", catches: []catch{
			{"A11/a context that ends while the commit waits for another writer", "went on and were stored"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				type outcome struct {
					receipts []driver.Receipt
					err      error
				}
				done := make(chan outcome, 1)
				go func() {
					receipts, err := b.toyHandle.Commit(context.WithoutCancel(ctx), writes)
					done <- outcome{receipts, err}
				}()
				select {
				case o := <-done:
					return o.receipts, o.err
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		}},
		{name: "it hides the context's end behind the database's words", catches: []catch{
			{"A11/a context that ends while the commit waits for another writer", "canceling statement due to user request"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				receipts, err := b.toyHandle.Commit(ctx, writes)
				if ctx.Err() != nil {
					err = fmt.Errorf("ERROR 57014: canceling statement due to user request")
				}
				return receipts, err
			}
		}},
	}
}
