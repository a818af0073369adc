package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// versionOf is the stream's version as a reader sees it.
func (b *broken) versionOf(ctx context.Context, stream driver.StreamID) int64 {
	page, _ := b.toyHandle.ReadStream(ctx, driver.StreamQuery{Stream: stream, From: 1, Backward: true, Limit: 1, MaxBytes: 1})
	if len(page) == 0 {
		return 0
	}
	return page[0].Version
}

// expecting returns writes with other expectations.
func expecting(writes []driver.Write, expected func(w driver.Write) driver.ExpectedVersion) []driver.Write {
	writes = slices.Clone(writes)
	for i, w := range writes {
		writes[i].Expected = expected(w)
	}
	return writes
}

func anyVersion(driver.Write) driver.ExpectedVersion { return driver.Any }

// every reports true on every nth call.
func every(n int64) func() bool {
	var calls atomic.Int64
	return func() bool { return calls.Add(1)%n == 0 }
}

// meeting lets two callers wait for each other, but not for long, should nobody come.
func meeting() func() {
	meet := make(chan struct{})
	return func() {
		alone := time.NewTimer(20 * time.Millisecond)
		defer alone.Stop()
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-alone.C:
		}
	}
}

func appendFlaws() []flaw {
	return slices.Concat(expectationFlaws(), raceFlaws(), atomicityFlaws(), contextFlaws())
}

func expectationFlaws() []flaw {
	return []flaw{
		{name: "it takes every expectation for Any", catches: []catch{
			{"A1/expectations on a missing stream", "want a *driver.ConflictError"},
			{"A1/expectations on a stream at version 3", "want a *driver.ConflictError"},
			{"A8/it is a conflict where an append of events would be", "want a *driver.ConflictError"},
			{"R2/StreamExists on a missing stream is ErrStreamNotFound", "stream not found"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				return b.toyHandle.Commit(ctx, expecting(writes, anyVersion))
			}
		}},
		{name: "it takes a version ahead of the stream for the stream's", catches: []catch{
			{"A1/expectations on a missing stream", "expecting version 1: want a *driver.ConflictError"},
			{"A1/expectations on a stream at version 3", "expecting version 4: want a *driver.ConflictError"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				return b.toyHandle.Commit(ctx, expecting(writes, func(w driver.Write) driver.ExpectedVersion {
					if w.Expected > 0 {
						return min(w.Expected, driver.ExpectedVersion(b.versionOf(ctx, w.Stream)))
					}
					return w.Expected
				}))
			}
		}},
		{name: "its receipts tell the first event's position", catches: []catch{
			{"A1/the receipt tells the last event's version and position", "receipt of append 2"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				receipts, err := b.toyHandle.Commit(ctx, writes)
				for i := range receipts {
					receipts[i].Position -= int64(max(0, len(writes[i].Events)-1))
				}
				return receipts, err
			}
		}},
		{name: "it gives the newest event's position to an append of no events", catches: []catch{
			{"A8/its receipt has the stream's version and no position", "receipt of an append of no events"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				receipts, err := b.toyHandle.Commit(ctx, writes)
				for i := range receipts {
					receipts[i].Position = max(receipts[i].Position, receipts[i].Version)
				}
				return receipts, err
			}
		}},
		{name: "it forgets writes without events", catches: []catch{
			{"A10/a write without events only checks", "receipts: want"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				return b.toyHandle.Commit(ctx, slices.DeleteFunc(slices.Clone(writes), func(w driver.Write) bool {
					return len(w.Events) == 0
				}))
			}
		}},
	}
}

func raceFlaws() []flaw {
	return []flaw{
		{name: "it checks the version without a guard", catches: []catch{
			{"A2/appenders on one handle", "losers of a race of 8 at version 0: want 7"},
			{"A2/appenders on two handles", "losers of a race of 8 at version 0: want 7"},
		}, spoil: func() func(b *broken) {
			meet := meeting()
			return func(b *broken) {
				b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
					for _, w := range writes {
						if actual := b.versionOf(ctx, w.Stream); !w.Expected.Met(actual) {
							return nil, &driver.ConflictError{Stream: w.Stream, Actual: actual}
						}
					}
					meet()
					return b.toyHandle.Commit(ctx, expecting(writes, anyVersion))
				}
			}
		}()},
		{name: "it reports a conflict as the database does", catches: []catch{
			{"A2/appenders on one handle", "no *eventstore.ConflictError but *fmt.wrapError"},
			{"A2/appenders on two handles", "no *eventstore.ConflictError but *fmt.wrapError"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				receipts, err := b.toyHandle.Commit(ctx, writes)
				var conflict *driver.ConflictError
				if errors.As(err, &conflict) {
					err = errRaw
				}
				return receipts, err
			}
		}},
		{name: "it loses a commit now and then", catches: []catch{
			{"A3/appenders on one handle", "is lost"},
			{"A3/appenders on two handles", "is lost"},
		}, spoil: func(b *broken) {
			lost := every(7)
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if lost() {
					return make([]driver.Receipt, len(writes)), nil
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{name: "it lets a lock's failure through", catches: []catch{
			{"A4/appenders on one handle, while readers read", "database is locked"},
			{"A4/appenders on two handles, while readers read", "database is locked"},
			{"A10/the same streams in opposite order, at once", "database is locked"},
		}, spoil: func(b *broken) {
			locked := every(7)
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if locked() {
					return nil, errors.New("database is locked")
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
	}
}

func atomicityFlaws() []flaw {
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
		{name: "it commits write by write", catches: []catch{
			{"A10/one bad expectation writes nothing anywhere", "the log after a conflict in write 2 of 3"},
			{"A10/a reader sees all of it or nothing", "without the other of its commit"},
			{"T2/after a conflict in the last of several writes", `an event of stream "note-a" is stored`},
		}, spoil: func() func(b *broken) {
			meet := meeting()
			return func(b *broken) {
				b.commit = func(ctx context.Context, writes []driver.Write) (receipts []driver.Receipt, err error) {
					for _, w := range writes {
						one, err := b.toyHandle.Commit(ctx, []driver.Write{w})
						if err != nil {
							return nil, err
						}
						receipts = append(receipts, one...)
						meet()
					}
					return receipts, nil
				}
				b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
					page, err := b.toyHandle.ReadAll(ctx, q)
					meet()
					return page, err
				}
			}
		}()},
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
