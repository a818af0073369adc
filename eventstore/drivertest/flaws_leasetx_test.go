package drivertest_test

import (
	"context"
	"errors"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func leaseTransactionFlaws() []flaw {
	const commit, rollback = "T1/leases and dead letters commit with the appends", "T1/leases and dead letters are rolled back with the appends"
	return []flaw{
		{name: "its leases stay out of the transaction", catches: []catch{
			{commit, "of the lease before the transaction has ended"},
			{rollback, "of the lease before the transaction has ended"},
			{"Leaser/whoever acquires beside a transaction learns how it ended", "owned by inside until"},
		}, spoil: func(b *broken) {
			b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
				return b.toyHandle.Acquire(outside(ctx), name, owner, now, until)
			}
			b.saveLease = func(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
				return b.toyHandle.SaveLease(outside(ctx), l, from, at)
			}
		}},
		{name: "its releases stay out of the transaction", catches: []catch{
			{"T1/a release is rolled back with its transaction", `owner: want "one", got ""`},
		}, spoil: func(b *broken) {
			b.releaseLease = func(ctx context.Context, name string, token int64, at time.Time) error {
				return b.toyHandle.ReleaseLease(outside(ctx), name, token, at)
			}
		}},
		{name: "a lost lease spoils the transaction", spoil: poisonedByLease, catches: []catch{
			{"Leaser/an answer inside a transaction leaves it usable", "current transaction is aborted"},
		}},
		{name: "it does not wait to learn whether a lease is lost", spoil: savesUndecided, catches: []catch{
			{"Leaser/an owner that is being replaced learns how that ended", "want an error that wraps"},
		}},
		{name: "it waits for a transaction that holds the lease", spoil: acquiresPatiently, hangs: true, catches: []catch{
			{"Leaser/nobody waits for a transaction that holds the lease", "deadline exceeded"},
		}},
		{name: "it names an owner that a transaction may be about to replace", catches: []catch{
			{"Leaser/nobody waits for a transaction that holds the lease", "whose time is over, beside a transaction"},
		}, spoil: func(b *broken) {
			b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
				lease, err := b.toyHandle.Acquire(ctx, name, owner, now, until)
				var held *driver.HeldError
				if stored := b.storedLease(name); errors.As(err, &held) && stored.Name != "" {
					held.Lease = stored
				}
				return lease, err
			}
		}},
		{name: "it locks a lease that it denies", spoil: locksWhatItDenies, hangs: true, catches: []catch{
			{"Leaser/nobody waits for a transaction that was denied", `save lease "a" at position 1`},
		}},
	}
}

// poisonedByLease has a SaveLease that fails spoil the transaction.
func poisonedByLease(b *broken) {
	var p poisoned
	b.saveLease = func(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
		err := b.toyHandle.SaveLease(ctx, l, from, at)
		p.after(ctx, err != nil)
		return err
	}
	b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		if err := p.err(ctx); err != nil {
			return nil, err
		}
		return b.toyHandle.Commit(ctx, writes)
	}
}

// savesUndecided saves by what everybody sees, past the lock of a transaction, which ends only then.
func savesUndecided(b *broken) {
	meet := meeting(time.Second)
	b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
		return b.toyHandle.Transact(ctx, func(ctx context.Context) error {
			err := fn(ctx)
			meet()
			return err
		})
	}
	b.saveLease = func(_ context.Context, l driver.Lease, _ int64, at time.Time) error {
		defer meet()
		if b.storedLease(l.Name).Token != l.Token {
			return driver.ErrLeaseLost
		}
		l.UpdatedAt = at
		b.forceLease(l)
		return nil
	}
}

func acquiresPatiently(b *broken) {
	b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (lease driver.Lease, err error) {
		err = b.within(ctx, "lease", func(tx *toyTx) error {
			if err := tx.lock(ctx, checkpointKey(name)); err != nil {
				return err
			}
			lease, err = b.toyHandle.Acquire(context.WithValue(ctx, toyKey{}, tx), name, owner, now, until)
			return err
		})
		return lease, err
	}
}

func locksWhatItDenies(b *broken) {
	b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
		if tx, _ := b.carried(ctx); tx != nil {
			_, _ = tx.tryLock(checkpointKey(name))
		}
		return b.toyHandle.Acquire(ctx, name, owner, now, until)
	}
}
