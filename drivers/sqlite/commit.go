package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Commit implements driver.Store.
//
// It ends with ctx while it waits for the writer and for the write lock. From then on it runs to its end, so that the
// caller is never left in doubt about the outcome.
func (s *Store) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	tx, inside, err := sqltx.Of(ctx, s.writer.db)
	var receipts []driver.Receipt
	switch {
	case err != nil:
	case inside:
		receipts, err = s.commitInside(ctx, tx, writes)
	default:
		receipts, err = s.commitAlone(ctx, writes)
	}
	return receipts, s.file.wrap(ctx, "append", err)
}

// commitAlone commits in a transaction of its own.
func (s *Store) commitAlone(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	c, release, err := s.writer.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	receipts, err := s.commitOn(ctx, c, writes)
	if err == nil && stored(receipts) {
		s.bell.ring()
	}
	return receipts, err
}

func stored(receipts []driver.Receipt) bool {
	return slices.ContainsFunc(receipts, func(r driver.Receipt) bool { return r.Position > 0 })
}

func (s *Store) commitOn(ctx context.Context, c *sqlx.Conn, writes []driver.Write) ([]driver.Receipt, error) {
	if isSimple(writes) && s.writer.floor.Load() == 0 {
		receipts, err := commitSimple(&writes[0], func(args []any) (sql.Result, error) {
			return lockExec(ctx, c, insertChecked, args)
		})
		if !hasCode(err, sqlite3.ErrConstraint) {
			return receipts, err
		}
	}
	return s.commitSteps(ctx, c, writes)
}

// isSimple reports whether writes is the commonest append: one event at a known version.
func isSimple(writes []driver.Write) bool {
	return len(writes) == 1 && len(writes[0].Events) == 1 && writes[0].Expected >= driver.NoStream
}

// commitSimple commits in one statement instead of four. If it is refused, the error does not tell why.
func commitSimple(w *driver.Write, exec func(args []any) (sql.Result, error)) ([]driver.Receipt, error) {
	version := int64(w.Expected) + 1
	args, err := appendArgs(make([]any, 0, columns), w, 0, version)
	if err != nil {
		return nil, err
	}
	res, err := exec(args)
	if err != nil {
		return nil, err
	}
	position, err := res.LastInsertId()
	return []driver.Receipt{{Version: version, Position: position}}, err
}

// commitSteps commits any writes.
func (s *Store) commitSteps(ctx context.Context, c *sqlx.Conn, writes []driver.Write) ([]driver.Receipt, error) {
	if _, err := lockExec(ctx, c, "BEGIN IMMEDIATE", nil); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	floor := s.writer.floor.Load()
	receipts, err := write(ctx, c, writes, floor)
	if err == nil {
		err = exec(ctx, c, "COMMIT")
	}
	if err != nil {
		// If this fails as well, the connection rolls back when it is released.
		_ = exec(ctx, c, "ROLLBACK")
		return nil, explainAlone(ctx, c, writes, err)
	}
	s.writer.floor.CompareAndSwap(floor, 0)
	return receipts, nil
}

// commitInside takes part in the caller's transaction, which stays usable whatever happens.
func (s *Store) commitInside(ctx context.Context, tx session, writes []driver.Write) ([]driver.Receipt, error) {
	own := s.ownOf(ctx)
	own.mu.Lock()
	defer own.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	if err := exec(ctx, tx, "SAVEPOINT tidemark"); err != nil {
		return nil, err
	}
	receipts, err := write(ctx, tx, writes, max(s.writer.floor.Load(), own.last))
	if err != nil {
		if undo := exec(ctx, tx, "ROLLBACK TO tidemark; RELEASE tidemark"); undo != nil {
			return nil, lost(undo, err)
		}
		return nil, explain(ctx, tx, writes, err)
	}
	s.note(own, writes, receipts)
	return receipts, exec(ctx, tx, "RELEASE tidemark")
}

// errLost: what a savepoint was for could not be undone, as when the context of the transaction has ended meanwhile. The
// transaction is over, and what it was refused for is no answer: nobody has looked whether it is a retry.
var errLost = errors.New("the transaction is lost")

func lost(undo, err error) error {
	return fmt.Errorf("%w: %w, after: %v", errLost, undo, err) //nolint:errorlint // err is not to be found in it
}

// write checks and stores, in a transaction that has the write lock, at positions above floor.
func write(ctx context.Context, q session, writes []driver.Write, floor int64) ([]driver.Receipt, error) {
	if err := raisePositions(ctx, q, floor); err != nil {
		return nil, err
	}
	receipts := make([]driver.Receipt, len(writes))
	for i := range writes {
		w := &writes[i]
		version, err := streamVersion(ctx, q, w.Stream)
		if err != nil {
			return nil, err
		}
		if !w.Expected.Met(version) {
			return nil, &driver.ConflictError{Stream: w.Stream, Actual: version}
		}
		if receipts[i], err = insert(ctx, q, w, version); err != nil {
			return nil, err
		}
	}
	return receipts, nil
}

func raisePositions(ctx context.Context, q sqlx.ExecerContext, floor int64) error {
	if floor == 0 {
		return nil
	}
	_, err := q.ExecContext(ctx, `UPDATE main.sqlite_sequence SET seq = ?1 WHERE name = 'events' AND seq < ?1`, floor)
	return err
}

// session is a connection or a transaction.
type session interface {
	sqlx.QueryerContext
	sqlx.ExecerContext
}

func exec(ctx context.Context, q sqlx.ExecerContext, query string) error {
	_, err := q.ExecContext(ctx, query)
	return err
}

// explainAlone is explain outside of a transaction: it looks at one snapshot of the database. That may be a later one
// than the one in which err came up, and show nothing wrong any more.
func explainAlone(ctx context.Context, c *sqlx.Conn, writes []driver.Write, err error) error {
	if !refused(err) {
		return err
	}
	if err := exec(ctx, c, "BEGIN"); err != nil {
		return err
	}
	defer func() { _ = exec(ctx, c, "ROLLBACK") }()
	return explain(ctx, c, writes, err)
}

// change runs one statement, in the transaction of ctx or as one of its own, and returns how many rows it changed.
// Either way it is done wholly or not at all, and a failure leaves the caller's transaction usable.
func (s *Store) change(ctx context.Context, query string, args ...any) (rows int64, err error) {
	tx, inside, err := sqltx.Of(ctx, s.writer.db)
	if err != nil {
		return 0, err
	}
	var res sql.Result
	if inside {
		res, err = tx.ExecContext(ctx, query, args...)
	} else {
		res, err = s.changeAlone(ctx, query, args)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (s *Store) changeAlone(ctx context.Context, query string, args []any) (sql.Result, error) {
	c, release, err := s.writer.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return lockExec(ctx, c, query, args)
}
