package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// writer is the pool of the one connection that writes, with a queue in front of it. The queue is fair, where the pool
// picks anyone who waits, and it knows for how long its head has been inside.
//
// The pool is its own connector, and its driver as sqltx sees it, so that sqltx.In stands in the same queue.
type writer struct {
	sqlite3.SQLiteDriver
	file     file
	dsn      string
	patience time.Duration
	db       *sqlx.DB
	queue    queue
	opened   atomic.Bool // has had a connection
	// floor is the highest position that a receipt has shown inside a transaction that is not known to be committed,
	// and 0 if there is none. What is appended next goes above it: a position, once shown, is not used again.
	floor atomic.Int64
}

var (
	_ sqltx.Beginner      = (*writer)(nil)
	_ sqldriver.Connector = (*writer)(nil)
)

func newWriter(f file, o Options) *writer {
	w := &writer{file: f, dsn: f.writerDSN(o), patience: o.BusyTimeout, queue: queue{patience: o.BusyTimeout}}
	w.db = sqlx.NewDb(sql.OpenDB(w), "sqlite3")
	w.db.SetMaxOpenConns(1)
	return w
}

var errSecondConnection = errors.New("a database in memory is its one connection, and a second one would be another, empty " +
	"database: leave the settings of the pool of DB as they are, MaxOpenConns and how long a connection may live or idle")

// Connect implements the connector of database/sql. Another program may have the file to itself.
func (w *writer) Connect(ctx context.Context) (c sqldriver.Conn, err error) {
	if w.file.inMemory() && w.opened.Load() {
		return nil, errSecondConnection
	}
	err = patiently(ctx, w.patience, func() (err error) {
		c, err = w.SQLiteDriver.Open(w.dsn)
		return err
	})
	if err != nil {
		return nil, err
	}
	w.opened.Store(true)
	return &conn{SQLiteConn: c.(*sqlite3.SQLiteConn), patience: w.patience, step: nap}, nil
}

// Driver implements the connector of database/sql. It is where sqltx.In finds the Beginner.
func (w *writer) Driver() sqldriver.Driver { return w }

// BeginTxx implements sqltx.Beginner.
func (w *writer) BeginTxx(ctx context.Context, _ *sqlx.DB) (*sqlx.Tx, func(), error) {
	c, release, err := w.acquire(ctx)
	var held *heldError
	if errors.As(err, &held) {
		held.kind = driver.ErrUnavailable
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", w.file, explained(ctx, err))
	}
	tx, err := c.BeginTxx(ctx, nil)
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("%s: %w", w.file, explained(ctx, err))
	}
	return tx, release, nil
}

// acquire waits for the connection: in the queue for the other users of this package and of sqltx, then in the pool for
// those who use DB directly.
func (w *writer) acquire(ctx context.Context) (*sqlx.Conn, func(), error) {
	if err := w.queue.enter(ctx); err != nil {
		return nil, nil, w.heldError(err)
	}
	patient, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	c, err := w.db.Connx(patient)
	if err != nil {
		w.queue.leave()
		var locked *lockedError
		switch {
		case ctx.Err() != nil:
		case errors.As(err, &locked):
			err = locked
		case patient.Err() != nil:
			err = errHeld
		}
		return nil, nil, w.heldError(err)
	}
	return c, func() { w.release(c) }, nil
}

// release gives the connection back. What is wrong with it shows when it is used again.
func (w *writer) release(c *sqlx.Conn) {
	_ = c.Close()
	w.queue.leave()
}

func (w *writer) heldError(err error) error {
	if errors.Is(err, errHeld) {
		return &heldError{patience: w.patience}
	}
	return err
}

// lockExec runs a statement that takes the write lock on an acquired connection.
func lockExec(ctx context.Context, c *sqlx.Conn, query string, args []any) (res sql.Result, err error) {
	named := make([]sqldriver.NamedValue, len(args))
	for i, arg := range args {
		named[i] = sqldriver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	err = c.Raw(func(raw any) error {
		res, err = raw.(*conn).lockExec(ctx, query, named)
		return err
	})
	return res, err
}
