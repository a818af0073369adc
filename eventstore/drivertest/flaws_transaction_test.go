package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// outside is ctx without its transaction.
func outside(ctx context.Context) context.Context { return context.WithValue(ctx, toyKey{}, nil) }

func transactionFlaws() []flaw {
	return slices.Concat(apartFlaws(), joinedFlaws(), outcomeFlaws(), poisonFlaws())
}

// apartFlaws leave a call out of the transaction.
func apartFlaws() []flaw {
	return []flaw{
		{name: "its commits stay out of the transaction", catches: []catch{
			{"T1/appends commit together", "before the transaction has ended"},
			{"T1/appends are rolled back together", "before the transaction has ended"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				return b.toyHandle.Commit(outside(ctx), writes)
			}
		}},
		{name: "its snapshots stay out of the transaction", catches: []catch{
			{"T1/snapshots and checkpoints commit with the appends", "the snapshot is there before"},
			{"T1/snapshots and checkpoints are rolled back with the appends", "the snapshot is there before"},
		}, spoil: func(b *broken) {
			b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
				return b.toyHandle.SaveSnapshot(outside(ctx), s)
			}
		}},
		{name: "its checkpoints stay out of the transaction", catches: []catch{
			{"T1/snapshots and checkpoints commit with the appends", "checkpoint before the transaction has ended"},
			{"T1/snapshots and checkpoints are rolled back with the appends", "checkpoint before the transaction has ended"},
		}, spoil: func(b *broken) {
			b.saveCheckpoint = func(ctx context.Context, name string, from, to int64, at time.Time) error {
				return b.toyHandle.SaveCheckpoint(outside(ctx), name, from, to, at)
			}
		}},
		{name: "its reads stay out of the transaction", catches: []catch{{"T1/a transaction sees its own writes", "want 4, got 1"}},
			spoil: func(b *broken) {
				b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
					return b.toyHandle.ReadStream(outside(ctx), q)
				}
			}},
		{name: "a transaction inside another is one of its own", catches: []catch{
			{"T1/a transaction inside another joins it", "events in the log after it: want 0, got 1"},
		}, spoil: func(b *broken) {
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				return b.toyHandle.Transact(outside(ctx), fn)
			}
		}},
		{name: "it overlooks another database's transaction", catches: []catch{
			{"T1/a transaction of another database is refused", "Commit takes a context"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if _, err := b.carried(ctx); err != nil {
					ctx = outside(ctx)
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{name: "it forgets that a transaction has ended", catches: []catch{
			{"T1/a transaction that has ended is refused", "Commit takes a context"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if _, err := b.carried(ctx); err != nil {
					return b.toyHandle.Commit(outside(ctx), writes)
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{name: "it says of a transaction that it can't take part in that there is none", catches: []catch{
			{"T1/a transaction of another database is refused while others append", "succeeds"},
			{"T1/a transaction that has ended is refused while others append", "succeeds"},
		}, spoil: func(b *broken) {
			b.batches = true
			b.inTransaction = func(ctx context.Context) (bool, error) { return b.inside(ctx), nil }
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				time.Sleep(time.Millisecond) // so that others queue up
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
	}
}

// joinedFlaws are about a function that joins a transaction and fails.
func joinedFlaws() []flaw {
	const at = "T1/a function that joins and fails leaves the end to the outer one"
	return []flaw{
		{name: "it swallows the error of a function that joins", catches: []catch{{at, "a Transact that joins returns <nil>"}},
			spoil: func(b *broken) {
				b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
					err := b.toyHandle.Transact(ctx, fn)
					if b.inside(ctx) {
						return nil
					}
					return err
				}
			}},
		{name: "a function that joins and fails has all rolled back", catches: []catch{{at, "a transaction that returns nil after an inner one has failed"}},
			spoil: func(b *broken) {
				var failed error
				b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
					if b.inside(ctx) {
						failed = b.toyHandle.Transact(ctx, fn)
						return failed
					}
					return b.toyHandle.Transact(ctx, func(ctx context.Context) error {
						if err := fn(ctx); err != nil {
							return err
						}
						return failed
					})
				}
			}},
	}
}

func outcomeFlaws() []flaw {
	return []flaw{
		{name: "it makes the function's error another one", catches: []catch{
			{"T1/an error is returned as it is, and a panic passes", "its function returned"},
		}, spoil: func(b *broken) {
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				if err := b.toyHandle.Transact(ctx, fn); err != nil {
					return fmt.Errorf("rolled back: %w", err)
				}
				return nil
			}
		}},
		{name: "it swallows a panic", catches: []catch{
			{"T1/an error is returned as it is, and a panic passes", "a panic in a transaction does not pass"},
		}, spoil: func(b *broken) {
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) (err error) {
				defer func() {
					if r := recover(); r != nil {
						err = fmt.Errorf("panic: %v", r)
					}
				}()
				return b.toyHandle.Transact(ctx, fn)
			}
		}},
		{name: "it tells the outcome before the end", catches: []catch{
			{"T1/the outcome is told after the end", "outcomes told before the transaction has ended"},
		}, spoil: func(b *broken) { b.onEnd = func(_ context.Context, f func(bool)) { f(true) } }},
		{name: "it says nothing once a transaction has ended", catches: []catch{
			{"T1/the outcome is told at once after the end", "outcome told to one that asks after the end: want [true], got []"},
		}, spoil: func(b *broken) {
			b.onEnd = func(ctx context.Context, f func(bool)) {
				if b.inside(ctx) {
					b.toyHandle.OnEnd(ctx, f)
				}
			}
		}},
		{name: "it takes a rollback for a commit", catches: []catch{
			{"T1/the outcome is told after the end", "outcomes told to two that asked: want [false false], got [true true]"},
		}, spoil: func(b *broken) {
			b.onEnd = func(ctx context.Context, f func(bool)) {
				b.toyHandle.OnEnd(ctx, func(bool) { f(true) })
			}
		}},
		{name: "it says nothing of a commit that came too late", catches: []catch{
			{"T1/a context that ends inside the transaction", "want an error that wraps"},
		}, spoil: func(b *broken) {
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				err := b.toyHandle.Transact(ctx, fn)
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}},
		{name: "it commits for a context that has ended", catches: []catch{
			{"T1/a context that ends inside the transaction", "events of a transaction whose context ended inside, with Transact returning <nil>: want 0, got 1"},
		}, spoil: func(b *broken) {
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				return b.toyHandle.Transact(context.WithoutCancel(ctx), fn)
			}
		}},
		{name: "it tells of a rollback what its function asked for", catches: []catch{
			{"T1/a context that ends inside the transaction", "outcome told of a transaction whose context was cancelled inside: want [false], got [true]"},
		}, spoil: func(b *broken) {
			var asked sync.Map // for a commit, by transaction
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				return b.toyHandle.Transact(ctx, func(ctx context.Context) error {
					err := fn(ctx)
					asked.Store(ctx.Value(toyKey{}), err == nil)
					return err
				})
			}
			b.onEnd = func(ctx context.Context, f func(bool)) {
				b.toyHandle.OnEnd(ctx, func(bool) {
					commit, _ := asked.Load(ctx.Value(toyKey{}))
					f(commit == true)
				})
			}
		}},
	}
}

// poisoned remembers the transactions that a failure has spoilt.
type poisoned struct{ transactions sync.Map }

// after spoils the transaction of ctx if the error is one that does so.
func (p *poisoned) after(ctx context.Context, spoils bool) {
	if tx := ctx.Value(toyKey{}); spoils && tx != nil {
		p.transactions.Store(tx, true)
	}
}

func (p *poisoned) err(ctx context.Context) error {
	if _, ok := p.transactions.Load(ctx.Value(toyKey{})); ok {
		return errors.New("ERROR 25P02: current transaction is aborted")
	}
	return nil
}

// poisonedBy has commits whose error is one of these spoil the transaction that they are part of.
func poisonedBy(spoils func(err error) bool) func(b *broken) {
	return func(b *broken) {
		var p poisoned
		b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
			if err := p.err(ctx); err != nil {
				return nil, err
			}
			receipts, err := b.toyHandle.Commit(ctx, writes)
			p.after(ctx, spoils(err))
			return receipts, err
		}
	}
}

func isConflict(err error) bool {
	var conflict *driver.ConflictError
	return errors.As(err, &conflict)
}

func poisonFlaws() []flaw {
	return []flaw{
		{name: "a conflict spoils the transaction", spoil: poisonedBy(isConflict), catches: []catch{
			{"T2/after a conflict", "current transaction is aborted"},
		}},
		{name: "a duplicate spoils the transaction", spoil: poisonedBy(func(err error) bool { return storedIn(err) != nil }),
			catches: []catch{{"T2/after a duplicate", "current transaction is aborted"}}},
		{name: "a snapshot that can't be saved spoils the transaction", catches: []catch{
			{"S6/a failure leaves the transaction usable", "current transaction is aborted"},
		}, spoil: func(b *broken) {
			var p poisoned
			b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
				p.after(ctx, true)
				return errors.New("invalid input syntax for type json")
			}
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if err := p.err(ctx); err != nil {
					return nil, err
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
	}
}
