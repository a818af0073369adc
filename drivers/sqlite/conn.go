package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
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
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	err = c.run(ctx, query, func(ctx context.Context) error {
		res, err = c.SQLiteConn.ExecContext(ctx, query, args)
		return err
	})
	return res, err
}

// QueryContext runs a query of the pool's users.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.run(ctx, query, func(ctx context.Context) error {
		rows, err = c.SQLiteConn.QueryContext(ctx, query, args)
		return err
	})
	return rows, err
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

// run calls f, which runs a text of the pool's users. Outside of a transaction its wait for the lock ends with ctx.
func (c *conn) run(ctx context.Context, query string, f func(ctx context.Context) error) error {
	switch err, autocommit := ctx.Err(), c.AutoCommit(); {
	case err != nil:
		return err
	case autocommit && c.begun:
		return errRolledBack
	case autocommit:
		return c.runAlone(ctx, query, f)
	default:
		return f(context.WithoutCancel(ctx))
	}
}

// runAlone leaves the wait to SQLite where there is more than one statement: a second try would begin with those that were
// done in the first. So it does for what comes after a BEGIN of the user's own, which may not have the lock yet.
func (c *conn) runAlone(ctx context.Context, query string, f func(ctx context.Context) error) error {
	if strings.Contains(strings.TrimRight(query, "; \t\r\n"), ";") {
		if err := c.wait(c.patience); err != nil {
			return err
		}
		return f(ctx)
	}
	if err := c.wait(nap); err != nil {
		return err
	}
	err := patiently(ctx, c.patience, func() error { return f(ctx) })
	if err == nil && !c.AutoCommit() {
		err = c.wait(c.patience)
	}
	return err
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

// patiently calls f, which waits for a lock for a nap, until it has it, ctx ends or patience has. Some statements SQLite refuses
// without waiting, such as one that is to change the journal's mode while others read: then the nap is taken here.
func patiently(ctx context.Context, patience time.Duration, f func() error) error {
	var busy error
	for began := time.Now(); ; {
		switch err := ctx.Err(); {
		case err != nil && busy != nil:
			return fmt.Errorf("%w: %w", err, &lockedError{patience: patience, err: busy})
		case err != nil:
			return err
		}
		tried := time.Now()
		err := f()
		if !hasCode(err, sqlite3.ErrBusy) {
			return err
		}
		if busy = err; time.Since(began) > patience {
			return &lockedError{patience: patience, err: busy}
		}
		rest(ctx, nap-time.Since(tried))
	}
}

// rest ends with ctx.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
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
func (s stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	err = s.c.run(ctx, "", func(ctx context.Context) error {
		res, err = s.SQLiteStmt.ExecContext(ctx, args)
		return err
	})
	return res, err
}

// QueryContext implements driver.StmtQueryContext.
func (s stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = s.c.run(ctx, "", func(ctx context.Context) error {
		rows, err = s.SQLiteStmt.QueryContext(ctx, args)
		return err
	})
	return rows, err
}
