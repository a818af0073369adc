package sqltx_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
)

var errStop = errors.New("stop")

func TestIn(t *testing.T) {
	t.Run("commits what fn wrote", func(t *testing.T) {
		db := open(t)
		require.NoError(t, sqltx.In(t.Context(), db, insert))
		require.Equal(t, 1, count(t, db))
	})
	t.Run("rolls back on an error and returns that very error", func(t *testing.T) {
		db := open(t)
		err := sqltx.In(t.Context(), db, func(ctx context.Context) error {
			require.NoError(t, insert(ctx))
			return errStop
		})
		require.Same(t, errStop, err)
		require.Zero(t, count(t, db))
	})
	t.Run("rolls back on a panic and lets it pass", func(t *testing.T) {
		db := open(t)
		require.PanicsWithValue(t, "boom", func() {
			_ = sqltx.In(t.Context(), db, func(ctx context.Context) error {
				require.NoError(t, insert(ctx))
				panic("boom")
			})
		})
		require.Zero(t, count(t, db))
	})
	t.Run("joins the transaction that is there", func(t *testing.T) {
		db := open(t)
		err := sqltx.In(t.Context(), db, func(ctx context.Context) error {
			outer, _ := sqltx.From(ctx)
			require.NoError(t, sqltx.In(ctx, db, func(ctx context.Context) error {
				inner, _ := sqltx.From(ctx)
				require.Same(t, outer, inner)
				return insert(ctx)
			}))
			return errStop
		})
		require.Same(t, errStop, err)
		require.Zero(t, count(t, db), "the outer transaction decides")
	})
	t.Run("refuses to start inside a transaction of another database", func(t *testing.T) {
		db, other := open(t), open(t)
		err := sqltx.In(t.Context(), db, func(ctx context.Context) error {
			return sqltx.In(ctx, other, insert)
		})
		require.ErrorIs(t, err, sqltx.ErrOtherDatabase)
		require.Zero(t, count(t, other))
	})
}

func TestInEnds(t *testing.T) {
	t.Run("rolls back when the context ends before the commit", func(t *testing.T) {
		db := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := sqltx.In(ctx, db, func(ctx context.Context) error {
			require.NoError(t, insert(ctx))
			cancel()
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, count(t, db))
	})
	t.Run("does not start when the context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := sqltx.In(ctx, open(t), func(context.Context) error { panic("must not run") })
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("says so when fn has ended the transaction itself", func(t *testing.T) {
		err := sqltx.In(t.Context(), open(t), func(ctx context.Context) error {
			tx, _ := sqltx.From(ctx)
			return tx.Rollback()
		})
		require.ErrorIs(t, err, sql.ErrTxDone)
	})
}

func TestOf(t *testing.T) {
	db, other := open(t), open(t)
	t.Run("finds nothing in a plain context", func(t *testing.T) {
		_, ok, err := sqltx.Of(t.Context(), db)
		require.NoError(t, err)
		require.False(t, ok)
		_, ok = sqltx.From(t.Context())
		require.False(t, ok)
	})
	var kept context.Context
	require.NoError(t, sqltx.In(t.Context(), db, func(ctx context.Context) error {
		kept = ctx
		tx, ok, err := sqltx.Of(ctx, db)
		require.NoError(t, err)
		require.True(t, ok)
		same, _ := sqltx.From(ctx)
		require.Same(t, same, tx)
		_, _, err = sqltx.Of(ctx, other)
		require.ErrorIs(t, err, sqltx.ErrOtherDatabase)
		return nil
	}))
	t.Run("refuses a context that outlived its transaction", func(t *testing.T) {
		_, _, err := sqltx.Of(kept, db)
		require.ErrorIs(t, err, sqltx.ErrEnded)
		require.ErrorIs(t, sqltx.In(kept, db, insert), sqltx.ErrEnded)
		require.ErrorIs(t, insert(kept), sql.ErrTxDone)
	})
}

func TestOnEnd(t *testing.T) {
	t.Run("runs in order, outside of the transaction, with true after a commit", func(t *testing.T) {
		db := open(t)
		var seen []int
		require.NoError(t, sqltx.In(t.Context(), db, func(ctx context.Context) error {
			for i := range 3 {
				sqltx.OnEnd(ctx, func(committed bool) {
					require.True(t, committed)
					require.Equal(t, 1, count(t, db), "the pool's one connection is free")
					seen = append(seen, i)
				})
			}
			return insert(ctx)
		}))
		require.Equal(t, []int{0, 1, 2}, seen)
	})
	for name, fn := range map[string]func(context.Context) error{
		"an error":             func(context.Context) error { return errStop },
		"a panic":              func(context.Context) error { panic(errStop) },
		"a commit that failed": violateAtCommit,
	} {
		t.Run("runs with false after "+name, func(t *testing.T) {
			outcomes := endOf(t, open(t), fn)
			require.Equal(t, []bool{false}, outcomes)
		})
	}
	t.Run("runs after another one that panicked, too", func(t *testing.T) {
		var outcomes []bool
		require.PanicsWithValue(t, "the third", func() {
			_ = sqltx.In(t.Context(), open(t), func(ctx context.Context) error {
				sqltx.OnEnd(ctx, func(bool) { panic("the first") })
				sqltx.OnEnd(ctx, func(committed bool) { outcomes = append(outcomes, committed) })
				sqltx.OnEnd(ctx, func(bool) { panic("the third") })
				sqltx.OnEnd(ctx, func(committed bool) { outcomes = append(outcomes, committed) })
				return insert(ctx)
			})
		})
		require.Equal(t, []bool{true, true}, outcomes)
	})
	t.Run("runs at once where nothing is left to wait for", func(t *testing.T) {
		var kept context.Context
		_ = sqltx.In(t.Context(), open(t), func(ctx context.Context) error { kept = ctx; return errStop })
		var outcomes []bool
		note := func(committed bool) { outcomes = append(outcomes, committed) }
		sqltx.OnEnd(t.Context(), note)
		sqltx.OnEnd(kept, note)
		require.Equal(t, []bool{true, false}, outcomes)
	})
}

func TestLocal(t *testing.T) {
	db := open(t)
	_, ok := sqltx.Local(t.Context(), db, func() *int { panic("must not run") })
	require.False(t, ok, "there is no transaction")

	ended := 0
	create := func(ctx context.Context) func() *int {
		return func() *int {
			sqltx.OnEnd(ctx, func(bool) { ended++ })
			return new(int)
		}
	}
	for range 2 {
		require.NoError(t, sqltx.In(t.Context(), db, func(ctx context.Context) error {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { sqltx.Local(ctx, db, create(ctx)) })
			}
			wg.Wait()
			mine, _ := sqltx.Local(ctx, db, create(ctx))
			again, _ := sqltx.Local(ctx, db, create(ctx))
			theirs, _ := sqltx.Local(ctx, "another key", create(ctx))
			require.Same(t, mine, again)
			require.NotSame(t, mine, theirs)
			return nil
		}))
	}
	require.Equal(t, 4, ended, "two keys in each of two transactions")
}

func TestBeginner(t *testing.T) {
	t.Run("begins in place of the pool and is released before the hooks run", func(t *testing.T) {
		own := &ownBeginner{Driver: &sqlite3.SQLiteDriver{}}
		db := sqlx.NewDb(sql.OpenDB(connector{own}), "sqlite3")
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		require.NoError(t, sqltx.In(t.Context(), db, func(ctx context.Context) error {
			require.Equal(t, 1, own.held)
			sqltx.OnEnd(ctx, func(bool) { require.Zero(t, own.held) })
			return nil
		}))
		require.Equal(t, 1, own.begun)
	})
	t.Run("fails In with its own error", func(t *testing.T) {
		own := &ownBeginner{Driver: &sqlite3.SQLiteDriver{}, err: errStop}
		db := sqlx.NewDb(sql.OpenDB(connector{own}), "sqlite3")
		require.ErrorIs(t, sqltx.In(t.Context(), db, insert), errStop)
	})
}

// ownBeginner counts the transactions that it began and that have not been released.
type ownBeginner struct {
	driver.Driver
	begun, held int
	err         error
}

func (b *ownBeginner) BeginTxx(ctx context.Context, db *sqlx.DB) (*sqlx.Tx, func(), error) {
	if b.err != nil {
		return nil, nil, b.err
	}
	b.begun++
	b.held++
	tx, err := db.BeginTxx(ctx, nil)
	return tx, func() { b.held-- }, err
}

type connector struct{ own *ownBeginner }

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.own.Open(":memory:") }
func (c connector) Driver() driver.Driver                        { return c.own }

func open(t *testing.T) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Open("sqlite3", filepath.Join(t.TempDir(), "test.db")+"?_foreign_keys=on")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	db.MustExec(`CREATE TABLE entry (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES entry DEFERRABLE INITIALLY DEFERRED)`)
	return db
}

func insert(ctx context.Context) error {
	tx, _ := sqltx.From(ctx)
	_, err := tx.ExecContext(context.WithoutCancel(ctx), `INSERT INTO entry DEFAULT VALUES`)
	return err
}

func violateAtCommit(ctx context.Context) error {
	tx, _ := sqltx.From(ctx)
	_, err := tx.ExecContext(ctx, `INSERT INTO entry (parent) VALUES (42)`)
	return err
}

// endOf returns what OnEnd told of a transaction that fn spoils.
func endOf(t *testing.T, db *sqlx.DB, fn func(context.Context) error) (outcomes []bool) {
	t.Helper()
	defer func() {
		_ = recover()
		require.Zero(t, count(t, db))
	}()
	require.Error(t, sqltx.In(t.Context(), db, func(ctx context.Context) error {
		sqltx.OnEnd(ctx, func(committed bool) { outcomes = append(outcomes, committed) })
		return fn(ctx)
	}))
	return outcomes
}

func count(t *testing.T, db *sqlx.DB) (n int) {
	t.Helper()
	require.NoError(t, db.Get(&n, `SELECT count(*) FROM entry`))
	return n
}
