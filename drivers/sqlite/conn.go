package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/mattn/go-sqlite3"
)

// conn is the writer's connection. It adds to go-sqlite3's what a connection needs that is alone and must stay: the only
// one of the pool, and for a database in memory the database itself.
//
//   - It is clean whenever it comes back into the pool, and database/sql keeps it after a context has ended a
//     transaction, where it would otherwise close it (IsValid, ResetSession).
//   - Inside a transaction no statement is interrupted: SQLite would roll back all of the transaction, and what came
//     after would be committed on its own. Should SQLite have rolled back for another reason, a full disk for example,
//     later statements of that transaction fail.
//   - Its waits for the write lock end with the context, and look for the lock every few milliseconds, because SQLite's
//     own steps of 100 ms lose against a process that writes all the time.
type conn struct {
	*sqlite3.SQLiteConn
	patience time.Duration
	step     time.Duration // the connection's busy_timeout as it is now
	begun    bool          // by BeginTx
}

// nap is the busy_timeout while the driver itself waits for the lock: SQLite looks after 1, 3, 8 and 10 ms.
const nap = 10 * time.Millisecond

var errRolledBack = errors.New("sqlite has rolled back this transaction after an earlier error: nothing of it is stored")

// BeginTx takes the write lock.
func (c *conn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	if _, err := c.lockExec(ctx, "BEGIN IMMEDIATE", nil); err != nil {
		return nil, err
	}
	c.begun = true
	return transaction{c}, nil
}

// ExecContext runs a statement of the pool's users.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	ctx, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	return c.SQLiteConn.ExecContext(ctx, query, args)
}

// QueryContext runs a query of the pool's users.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	ctx, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	return c.SQLiteConn.QueryContext(ctx, query, args)
}

// PrepareContext prepares a statement that behaves like the above.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.SQLiteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt{s.(*sqlite3.SQLiteStmt), c}, nil
}

// IsValid is called when the connection comes back into the pool: what its user left open is rolled back, so that the
// lock is free.
func (c *conn) IsValid() bool {
	c.begun = false
	if c.AutoCommit() {
		return true
	}
	_, err := c.SQLiteConn.ExecContext(context.Background(), "ROLLBACK", nil)
	return err == nil
}

// ResetSession does nothing: IsValid has done it. Without both database/sql would close the connection of a transaction
// whose context ended.
func (c *conn) ResetSession(context.Context) error { return nil }

// enter makes the connection ready for a statement and returns the context to run it with.
func (c *conn) enter(ctx context.Context) (context.Context, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch autocommit := c.AutoCommit(); {
	case autocommit && c.begun:
		return nil, errRolledBack
	case autocommit:
		return ctx, c.wait(c.patience)
	default:
		return context.WithoutCancel(ctx), nil
	}
}

// lockExec runs a statement that takes the write lock, and nothing but that statement. Until it has the lock it ends
// with ctx; then it runs to its end.
func (c *conn) lockExec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.wait(nap); err != nil {
		return nil, err
	}
	var res driver.Result
	err := patiently(ctx, c.patience, func() (err error) {
		res, err = c.SQLiteConn.ExecContext(context.Background(), query, args)
		return err
	})
	return res, err
}

// patiently calls f, which waits for a lock for a nap, until it has it, ctx ends or patience has.
func patiently(ctx context.Context, patience time.Duration, f func() error) error {
	var busy error
	for began := time.Now(); ; {
		switch err := ctx.Err(); {
		case err != nil && busy != nil:
			return fmt.Errorf("%w: %w", err, &lockedError{patience: patience, err: busy})
		case err != nil:
			return err
		}
		err := f()
		if !hasCode(err, sqlite3.ErrBusy) {
			return err
		}
		if busy = err; time.Since(began) > patience {
			return &lockedError{patience: patience, err: busy}
		}
	}
}

// wait sets how long SQLite itself waits for a lock.
func (c *conn) wait(d time.Duration) error {
	if c.step == d {
		return nil
	}
	_, err := c.SQLiteConn.ExecContext(context.Background(), "PRAGMA busy_timeout = "+milliseconds(d), nil)
	if err == nil {
		c.step = d
	}
	return err
}

// transaction is one that database/sql has begun.
type transaction struct{ c *conn }

// Commit rolls back if it can't commit: for database/sql the transaction is over.
func (t transaction) Commit() error {
	t.c.begun = false
	if t.c.AutoCommit() {
		return errRolledBack
	}
	_, err := t.c.SQLiteConn.ExecContext(context.Background(), "COMMIT", nil)
	if err != nil {
		return errors.Join(classify(err), t.Rollback())
	}
	return nil
}

// Rollback has nothing to do where SQLite has done it already.
func (t transaction) Rollback() error {
	t.c.begun = false
	if t.c.AutoCommit() {
		return nil
	}
	_, err := t.c.SQLiteConn.ExecContext(context.Background(), "ROLLBACK", nil)
	return err
}

// stmt is a prepared statement of the pool's users.
type stmt struct {
	*sqlite3.SQLiteStmt
	c *conn
}

// ExecContext implements driver.StmtExecContext.
func (s stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	ctx, err := s.c.enter(ctx)
	if err != nil {
		return nil, err
	}
	return s.SQLiteStmt.ExecContext(ctx, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	ctx, err := s.c.enter(ctx)
	if err != nil {
		return nil, err
	}
	return s.SQLiteStmt.QueryContext(ctx, args)
}
