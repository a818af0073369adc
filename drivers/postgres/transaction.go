package postgres

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Transact implements driver.Transactor. It is sqltx.In on DB, with the errors of this package.
func (s *Store) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	var result error
	err := sqltx.In(ctx, s.db, func(ctx context.Context) error {
		result = fn(ctx)
		return result
	})
	if result != nil || errors.As(err, new(*failure)) {
		return err
	}
	return failed(ctx, "transaction", err)
}

// InTransaction implements driver.Transactor.
func (s *Store) InTransaction(ctx context.Context) (bool, error) {
	_, ok, err := sqltx.Of(ctx, s.db)
	return ok, err
}

// OnEnd implements driver.Transactor.
func (s *Store) OnEnd(ctx context.Context, f func(committed bool)) { sqltx.OnEnd(ctx, f) }

// joined is what is kept for the length of a caller's transaction.
type joined struct {
	mu       sync.Mutex // held during a call, so that calls of several goroutines don't mix up rows and savepoints
	appended bool
	doomed   error
}

// with runs f on the pool, or on the transaction that ctx carries.
func with[T any](ctx context.Context, s *Store, f func(c conn) (T, error)) (T, error) {
	tx, inside, err := sqltx.Of(ctx, s.db)
	switch {
	case err != nil:
		var none T
		return none, err
	case !inside:
		return returning(ctx, func() (T, error) { return f(conn{store: s}) })
	}
	j, _ := sqltx.Local(ctx, s, func() *joined { return s.join(ctx) })
	j.mu.Lock()
	defer j.mu.Unlock()
	return f(conn{store: s, tx: tx, joined: j})
}

func (s *Store) join(ctx context.Context) *joined {
	j := new(joined)
	sqltx.OnEnd(ctx, func(bool) {
		if j.appended { // a rollback lets go of the mark as well
			s.news.moved()
		}
	})
	return j
}

// inCallers runs an append in the caller's transaction. After a deadlock, another transaction waits for what this one did
// before, so that to try again would be the next deadlock; after a serialization failure, what this one has seen is out of
// date. Until the end there is no other answer any more.
func (c conn) inCallers(ctx context.Context, f func() error) error {
	if c.joined.doomed != nil {
		return c.joined.doomed
	}
	err := c.savepoint(ctx, f)
	if isRace(sqlState(err)) {
		c.joined.doomed = fmt.Errorf("%w: %w", driver.ErrDoomed, err)
		return c.joined.doomed
	}
	return err
}

// savepoint runs f so that the caller's transaction stays usable if it fails: then all that f did is undone, its locks
// are let go, and the error is returned as it is. The call's context may end at any moment, while the transaction's goes
// on: what f has done is kept and reported, or undone.
func (c conn) savepoint(ctx context.Context, f func() error) error {
	if err := c.exec(ctx, "SAVEPOINT tidemark"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = c.conclude(ctx, "RELEASE SAVEPOINT tidemark")
	}
	if err != nil {
		return c.undo(ctx, err)
	}
	return nil
}

// undo goes back to the savepoint and returns err. Where it can't, it keeps the transaction from being committed; one
// whose connection is gone can't be anyway, and its commit says so.
func (c conn) undo(ctx context.Context, err error) error {
	back := c.conclude(ctx, "ROLLBACK TO SAVEPOINT tidemark; RELEASE SAVEPOINT tidemark")
	if back == nil {
		return err
	}
	if !errors.Is(back, sqldriver.ErrBadConn) {
		_ = c.tx.Rollback() // even if that fails, database/sql commits nothing any more
	}
	c.joined.doomed = fmt.Errorf("the transaction is lost: %w, after: %v", back, err) //nolint:errorlint // err is no answer any more
	return c.joined.doomed
}

// conclude sends a command that must not be left out because ctx has ended. A server that is silent has a moment more.
func (c conn) conclude(ctx context.Context, command string) error {
	ctx, cancel := outlasting(ctx)
	defer cancel()
	return c.exec(ctx, command)
}
