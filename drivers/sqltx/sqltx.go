// Package sqltx carries a caller's database transaction in a context, so that appends, snapshots, checkpoints and the
// caller's own SQL commit together or not at all.
//
// A caller opens the transaction with [In] on the pool of its store's driver (its DB method), passes on the context
// that it is given, and reaches the transaction with [From] for its own statements. Every call of that driver that is
// given this context takes part. [OnEnd] tells how it ended.
//
// [Of], [Local], [Beginner] and [Explainer] are for drivers.
package sqltx

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// ErrOtherDatabase is wrapped by the error of a call whose context carries a transaction of another database.
var ErrOtherDatabase = errors.New("the context carries a transaction of another database: " +
	"use a context from outside of it, or call the store that it belongs to")

// ErrEnded is wrapped by the error of a call whose context carries a transaction that has been committed or rolled back.
var ErrEnded = errors.New("the transaction of this context has ended: " +
	"the context that sqltx.In hands out must not be kept for later")

// Beginner begins the transactions of its pool in a way of its own. In looks for it in db.Driver(); without it, In begins
// with db.BeginTxx and no options.
type Beginner interface {
	// BeginTxx begins a transaction on db, or fails when ctx ends. In calls release once the transaction has ended and
	// before the functions that were registered with OnEnd. release is not nil if err is nil.
	BeginTxx(ctx context.Context, db *sqlx.DB) (tx *sqlx.Tx, release func(), err error)
}

// Explainer says what an error means that the begin or the commit of a transaction of its pool ended with: that the
// connection was lost, for example. In looks for it in db.Driver().
type Explainer interface {
	// Explain returns an error that wraps err, and ctx.Err() if the end of ctx has caused it.
	Explain(ctx context.Context, err error) error
}

// In runs fn in a transaction of db: committed if fn returns nil, rolled back if it returns an error, which In then
// returns as it is, or if it panics. It is rolled back as well if ctx ends before the commit; the error then satisfies
// errors.Is(err, ctx.Err()).
//
// The context that fn is given carries the transaction; everything that is to be part of it needs that context, or one
// derived from it. It must not be used after In has returned. If ctx carries a transaction of db already, fn joins it
// and the outer In decides; if it carries one of another database, In fails with ErrOtherDatabase.
//
// fn may share the transaction between goroutines, but they must end before fn does. A savepoint of fn's own is nobody's
// business but fn's: after a ROLLBACK TO it, an aggregate that was saved since still counts its events as saved, so load it
// again.
func In(ctx context.Context, db *sqlx.DB, fn func(ctx context.Context) error) error {
	switch _, joined, err := Of(ctx, db); {
	case err != nil:
		return err
	case joined:
		return fn(ctx)
	}
	t, err := begin(ctx, db)
	if err != nil {
		return err
	}
	return t.run(ctx, fn)
}

// From returns the transaction that ctx carries. After In has returned its statements fail with sql.ErrTxDone.
func From(ctx context.Context) (*sqlx.Tx, bool) {
	t, ok := carried(ctx)
	if !ok {
		return nil, false
	}
	return t.tx, true
}

// Of returns the transaction of db that ctx carries; ok is false if it carries none. One of another database is
// ErrOtherDatabase, and one that has ended is ErrEnded.
func Of(ctx context.Context, db *sqlx.DB) (tx *sqlx.Tx, ok bool, err error) {
	t, ok := carried(ctx)
	switch {
	case !ok:
		return nil, false, nil
	case t.db != db:
		return nil, false, fmt.Errorf("sqltx: %w", ErrOtherDatabase)
	case t.ended():
		return nil, false, fmt.Errorf("sqltx: %w", ErrEnded)
	}
	return t.tx, true, nil
}

// OnEnd has f run once the transaction of ctx has ended, in the goroutine that called In and before In returns.
// committed is false after a rollback, a panic, and a commit that failed. f runs outside of the transaction and can't
// use it. Several run in the order in which they were registered. If ctx carries no transaction, or one that has
// ended, f runs at once: with true in the first case, with the outcome in the second.
func OnEnd(ctx context.Context, f func(committed bool)) {
	t, ok := carried(ctx)
	if !ok {
		f(true)
		return
	}
	t.onEnd(f)
}

// Local returns what a driver keeps for the length of the transaction that ctx carries: the value that create made
// when it was first asked for under this key. Keys are compared like map keys; a driver uses its own pointer, so that
// two drivers never meet. create may call OnEnd, but not Local. ok is false if ctx carries no transaction.
func Local[T any](ctx context.Context, key any, create func() T) (value T, ok bool) {
	t, ok := carried(ctx)
	if !ok {
		return value, false
	}
	return t.local(key, func() any { return create() }).(T), true
}
