package sqlite_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestHeldWriter(t *testing.T) {
	const says = "the writer connection has been held by another transaction for 50ms: inside a projection handler or " +
		"sqltx.In, pass on the context you were given"
	each(t, &sqlite.Options{BusyTimeout: 50 * time.Millisecond}, func(t *testing.T, s *sqlite.Store) {
		fresh := t.Context()
		for name, call := range map[string]func() error{
			"an append": func() error {
				_, err := s.Commit(fresh, []driver.Write{appends(order("1"), driver.Any, 1)})
				return err
			},
			"a snapshot":   func() error { return s.SaveSnapshot(fresh, driver.Snapshot{Stream: order("1")}) },
			"a checkpoint": func() error { return s.SaveCheckpoint(fresh, "orders", 0, 1, time.Now()) },
			"Transact":     func() error { return s.Transact(fresh, func(context.Context) error { return nil }) },
		} {
			t.Run("says what is wrong with "+name+" that uses a fresh context inside a transaction", func(t *testing.T) {
				require.NoError(t, in(t.Context(), s, func(context.Context) error {
					err := call()
					require.ErrorContains(t, err, says)
					require.Equal(t, name == "Transact", errors.Is(err, driver.ErrUnavailable), "to be tried again")
					return nil
				}))
				require.NoError(t, call(), "the writer is free again")
				require.NoError(t, s.SaveCheckpoint(fresh, "orders", first(s.LoadCheckpoint(fresh, "orders")), 0, time.Now()))
			})
		}
		t.Run("says it as well to one who waits for a transaction that was begun without sqltx", func(t *testing.T) {
			tx := s.DB().MustBegin()
			defer func() { require.NoError(t, tx.Rollback()) }()
			_, err := s.Commit(fresh, []driver.Write{appends(order("1"), driver.Any, 1)})
			require.ErrorContains(t, err, says)
		})
		t.Run("ends the wait with the context", func(t *testing.T) {
			require.NoError(t, in(t.Context(), s, func(context.Context) error {
				ctx, cancel := context.WithTimeout(fresh, time.Millisecond)
				defer cancel()
				_, err := s.Commit(ctx, []driver.Write{appends(order("1"), driver.Any, 1)})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, driver.ErrUnavailable)
				return nil
			}))
		})
	})
	t.Run("does not keep readers of a file waiting", func(t *testing.T) {
		s := open(t, inFile(t), nil)
		commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
		require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
			commit(t, ctx, s, appends(order("1"), 1, 1))
			require.Len(t, readStream(t, t.Context(), s, order("1")), 1)
			require.Len(t, readAll(t, t.Context(), s, 0).Records, 1)
			return nil
		}))
	})
	t.Run("tells a reader in memory what it waits for", func(t *testing.T) {
		s := open(t, ":memory:", &sqlite.Options{BusyTimeout: 50 * time.Millisecond})
		require.NoError(t, in(t.Context(), s, func(context.Context) error {
			_, err := s.ReadAll(t.Context(), driver.AllQuery{Limit: 1, MaxBytes: 1})
			require.ErrorContains(t, err, says)
			return nil
		}))
	})
}

func first(position int64, _ error) int64 { return position }

func TestLockedFile(t *testing.T) {
	path := inFile(t)
	other := open(t, path, nil)
	calls := map[string]func(ctx context.Context, s *sqlite.Store) error{
		"an append": func(ctx context.Context, s *sqlite.Store) error {
			_, err := s.Commit(ctx, []driver.Write{appends(order("1"), driver.Any, 1)})
			return err
		},
		"a transaction": func(ctx context.Context, s *sqlite.Store) error {
			return in(ctx, s, func(context.Context) error { return nil })
		},
	}
	for name, call := range calls {
		t.Run("is told to "+name+" that waits in vain for another process", func(t *testing.T) {
			s := open(t, path, &sqlite.Options{BusyTimeout: 50 * time.Millisecond})
			require.NoError(t, in(t.Context(), other, func(context.Context) error {
				err := call(t.Context(), s)
				require.ErrorIs(t, err, driver.ErrUnavailable)
				require.ErrorContains(t, err, "another connection or process has held the write lock for 50ms")
				require.ErrorContains(t, err, path)
				return nil
			}))
			require.NoError(t, call(t.Context(), s))
		})
		t.Run("does not keep "+name+" beyond its context", func(t *testing.T) {
			s := open(t, path, &sqlite.Options{BusyTimeout: time.Hour})
			require.NoError(t, in(t.Context(), other, func(context.Context) error {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				require.ErrorIs(t, call(ctx, s), context.DeadlineExceeded)
				return nil
			}))
		})
	}
}

func TestAStatementOnDBWaitsForAnotherProcessNoLongerThanItsContext(t *testing.T) {
	const insert = `INSERT INTO mine VALUES (1) RETURNING n`
	path := inFile(t)
	other := open(t, path, nil)
	other.DB().MustExec(`CREATE TABLE mine (n INTEGER)`)
	for name, call := range map[string]func(ctx context.Context, db *sqlx.DB) error{
		"run": func(ctx context.Context, db *sqlx.DB) error {
			_, err := db.ExecContext(ctx, insert)
			return err
		},
		"queried": func(ctx context.Context, db *sqlx.DB) error {
			var n int
			return db.GetContext(ctx, &n, insert)
		},
		"prepared": func(ctx context.Context, db *sqlx.DB) error {
			prepared, err := db.PreparexContext(ctx, insert)
			if err != nil {
				return err
			}
			defer prepared.Close()
			_, err = prepared.ExecContext(ctx)
			return err
		},
		"prepared and queried": func(ctx context.Context, db *sqlx.DB) error {
			prepared, err := db.PreparexContext(ctx, insert)
			if err != nil {
				return err
			}
			defer prepared.Close()
			var n int
			return prepared.GetContext(ctx, &n)
		},
	} {
		t.Run("when it is "+name, func(t *testing.T) {
			patient := open(t, path, &sqlite.Options{BusyTimeout: 10 * time.Second})
			impatient := open(t, path, &sqlite.Options{BusyTimeout: 50 * time.Millisecond})
			require.NoError(t, in(t.Context(), other, func(context.Context) error {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				require.ErrorIs(t, call(ctx, patient.DB()), context.DeadlineExceeded)
				err := call(t.Context(), impatient.DB())
				require.ErrorIs(t, err, driver.ErrUnavailable)
				require.ErrorContains(t, err, "held the write lock for 50ms")
				return nil
			}))
			other.DB().MustExec(`DELETE FROM mine`)
			require.NoError(t, call(t.Context(), patient.DB()))
			requireRows(t, other, `SELECT count(*) FROM mine`, 1)
		})
	}
}

func TestSQLiteItselfWaitsWhereAStatementCanNotBeTriedAgain(t *testing.T) {
	s := open(t, inFile(t), &sqlite.Options{BusyTimeout: time.Minute})
	c, err := s.DB().Connx(t.Context())
	require.NoError(t, err)
	defer c.Close()
	var waits int
	require.NoError(t, c.GetContext(t.Context(), &waits, `SELECT 1; PRAGMA busy_timeout`))
	require.Equal(t, 60_000, waits, "there are several in the text")
	_, err = c.ExecContext(t.Context(), `BEGIN`)
	require.NoError(t, err)
	require.NoError(t, c.GetContext(t.Context(), &waits, `PRAGMA busy_timeout`))
	require.Equal(t, 60_000, waits, "the transaction is one of the user's")
}

// SQLite takes a busy_timeout of more than 31 bits for 0, and then waits for nobody.
func TestABusyTimeoutOfForEverIsAsLongAsSQLiteCanWait(t *testing.T) {
	for _, d := range []time.Duration{1000 * time.Hour, math.MaxInt64} {
		s := open(t, inFile(t), &sqlite.Options{BusyTimeout: d})
		var waits int64
		require.NoError(t, s.DB().Get(&waits, `SELECT 1; PRAGMA busy_timeout`)) // SQLite itself waits where there are several
		require.Equal(t, int64(math.MaxInt32), waits)
	}
}
