package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var errStop = errors.New("stop")

func sqlIn(t *testing.T, ctx context.Context) *sqlx.Tx {
	t.Helper()
	tx, ok := sqltx.From(ctx)
	require.True(t, ok)
	return tx
}

func TestTransaction(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		s.DB().MustExec(`CREATE TABLE orders (id TEXT PRIMARY KEY, total INTEGER)`)
		for name, test := range map[string]func(t *testing.T, s *sqlite.Store){
			"spans appends, snapshots, checkpoints and the user's tables": spansEverything,
			"takes the write lock when it begins":                         locksAtOnce,
			"stays whole when a statement's own context ends":             staysWhole,
			"refuses to go on after SQLite has rolled it back":            endsWithRollback,
			"may be shared by goroutines":                                 isShared,
			"is not handed out its own events by the log":                 hidesItsOwn,
		} {
			t.Run(name, func(t *testing.T) { test(t, s) })
		}
	})
}

func spansEverything(t *testing.T, s *sqlite.Store) {
	write := func(end error) error {
		return in(t.Context(), s, func(ctx context.Context) error {
			commit(t, ctx, s, appends(order("all"), driver.NoStream, 2))
			require.NoError(t, s.SaveSnapshot(ctx, driver.Snapshot{Stream: order("all"), Version: 2, Type: "order",
				Schema: 1, ContentType: "application/json", Data: []byte(`{}`), RecordedAt: time.UnixMicro(1).UTC()}))
			require.NoError(t, s.SaveCheckpoint(ctx, "orders", 0, 2, time.UnixMicro(1)))
			sqlIn(t, ctx).MustExec(`INSERT INTO orders VALUES ('all', 1)`)
			return end
		})
	}
	there := func() []bool {
		_, snapshot, err := s.LoadSnapshot(t.Context(), order("all"))
		require.NoError(t, err)
		checkpoint, err := s.LoadCheckpoint(t.Context(), "orders")
		require.NoError(t, err)
		var rows int
		require.NoError(t, s.DB().Get(&rows, `SELECT count(*) FROM orders WHERE id = 'all'`))
		return []bool{len(readStream(t, t.Context(), s, order("all"))) == 2, snapshot, checkpoint == 2, rows == 1}
	}
	require.ErrorIs(t, write(errStop), errStop)
	require.Equal(t, []bool{false, false, false, false}, there())
	require.NoError(t, write(nil))
	require.Equal(t, []bool{true, true, true, true}, there())
}

func locksAtOnce(t *testing.T, s *sqlite.Store) {
	require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
		_, err := sqlIn(t, ctx).Exec(`BEGIN IMMEDIATE`)
		require.ErrorContains(t, err, "within a transaction")
		return nil
	}))
}

func staysWhole(t *testing.T, s *sqlite.Store) {
	err := in(t.Context(), s, func(ctx context.Context) error {
		tx := sqlIn(t, ctx)
		tx.MustExec(`INSERT INTO orders VALUES ('first', 1)`)
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, _ = tx.ExecContext(short, slowInsert)
		prepared, err := tx.PrepareContext(ctx, slowInsert)
		require.NoError(t, err)
		_, _ = prepared.ExecContext(short)
		commit(t, ctx, s, appends(order("whole"), driver.NoStream, 1))
		return errStop
	})
	require.ErrorIs(t, err, errStop)
	requireClean(t, s)
	require.Empty(t, readStream(t, t.Context(), s, order("whole")), "it was not committed on its own")
	requireRows(t, s, `SELECT count(*) FROM orders WHERE id = 'first'`, 0)
}

func endsWithRollback(t *testing.T, s *sqlite.Store) {
	s.DB().MustExec(`INSERT INTO orders VALUES ('taken', 1)`)
	err := in(t.Context(), s, func(ctx context.Context) error {
		tx := sqlIn(t, ctx)
		_, err := tx.Exec(`INSERT OR ROLLBACK INTO orders VALUES ('taken', 2)`)
		require.Error(t, err)
		_, err = tx.Exec(`INSERT INTO orders VALUES ('alone', 1)`)
		require.ErrorContains(t, err, "rolled back this transaction")
		_, err = s.Commit(ctx, []driver.Write{appends(order("alone"), driver.NoStream, 1)})
		require.ErrorContains(t, err, "rolled back this transaction")
		return nil
	})
	require.ErrorContains(t, err, "rolled back this transaction")
	requireClean(t, s)
	requireRows(t, s, `SELECT count(*) FROM orders WHERE id = 'alone'`, 0)
}

func isShared(t *testing.T, s *sqlite.Store) {
	require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				for n := range 20 {
					errs[i] = errors.Join(errs[i], conflictAndAppend(ctx, s, order(fmt.Sprint("shared", i)), n))
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}))
	for i := range 8 {
		require.Len(t, readStream(t, t.Context(), s, order(fmt.Sprint("shared", i))), 20)
	}
}

func hidesItsOwn(t *testing.T, s *sqlite.Store) {
	commit(t, t.Context(), s, appends(order("before"), driver.NoStream, 1))
	head := readAll(t, t.Context(), s, 0).Head
	require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
		require.Equal(t, head, readAll(t, ctx, s, 0).Head)
		commit(t, ctx, s, appends(order("own"), driver.NoStream, 3))
		commit(t, ctx, s, appends(order("own"), 3, 1))
		require.Len(t, readStream(t, ctx, s, order("own")), 4)
		page := readAll(t, ctx, s, head-1)
		require.Len(t, page.Records, 1)
		require.Equal(t, head, page.Next)
		require.Equal(t, head, page.Head)
		return nil
	}))
	require.Len(t, readAll(t, t.Context(), s, head).Records, 4)
}

// conflictAndAppend makes an append that must undo itself and nothing else, and one that must stay.
func conflictAndAppend(ctx context.Context, s *sqlite.Store, stream driver.StreamID, n int) error {
	_, err := s.Commit(ctx, []driver.Write{appends(order("another"), driver.Any, 2), appends(stream, 99, 1)})
	var conflict *driver.ConflictError
	if !errors.As(err, &conflict) || conflict.Actual != int64(n) {
		return fmt.Errorf("want a conflict at version %d, got %w", n, err)
	}
	_, readErr := s.ReadAll(ctx, driver.AllQuery{Limit: 10, MaxBytes: 1000})
	_, err = s.Commit(ctx, []driver.Write{appends(stream, driver.ExpectedVersion(n), 1)})
	return errors.Join(readErr, err)
}

// slowInsert runs for some 100 ms.
const slowInsert = `INSERT INTO orders WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
	SELECT 'slow' || random(), count(*) FROM n`

func requireRows(t *testing.T, s *sqlite.Store, query string, want int) {
	t.Helper()
	var n int
	require.NoError(t, s.DB().Get(&n, query))
	require.Equal(t, want, n)
}
