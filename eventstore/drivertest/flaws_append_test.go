package drivertest_test

import (
	"context"
	"errors"
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

// meeting lets two callers wait for each other, but not for longer than this, should nobody come.
func meeting(patience time.Duration) func() {
	meet := make(chan struct{})
	return func() {
		alone := time.NewTimer(patience)
		defer alone.Stop()
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-alone.C:
		}
	}
}

func appendFlaws() []flaw {
	return slices.Concat(expectationFlaws(), receiptFlaws(), raceFlaws(), lockFlaws())
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
	}
}

func receiptFlaws() []flaw {
	return []flaw{
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
			meet := meeting(5 * time.Second)
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
	}
}

func lockFlaws() []flaw {
	return []flaw{
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
