package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
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
		t.Run("spans appends, snapshots, checkpoints and the user's tables", func(t *testing.T) {
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
				require.NoError(t, s.DB().Get(&rows, `SELECT count(*) FROM orders`))
				return []bool{len(readStream(t, t.Context(), s, order("all"))) == 2, snapshot, checkpoint == 2, rows == 1}
			}
			require.ErrorIs(t, write(errStop), errStop)
			require.Equal(t, []bool{false, false, false, false}, there())
			require.NoError(t, write(nil))
			require.Equal(t, []bool{true, true, true, true}, there())
		})
		t.Run("takes the write lock when it begins", func(t *testing.T) {
			require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
				_, err := sqlIn(t, ctx).Exec(`BEGIN IMMEDIATE`)
				require.ErrorContains(t, err, "within a transaction")
				return nil
			}))
		})
		t.Run("stays whole when a statement's own context ends", func(t *testing.T) {
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
		})
		t.Run("refuses to go on after SQLite has rolled it back", func(t *testing.T) {
			err := in(t.Context(), s, func(ctx context.Context) error {
				tx := sqlIn(t, ctx)
				_, err := tx.Exec(`INSERT OR ROLLBACK INTO orders VALUES ('all', 2)`)
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
		})
		t.Run("may be shared by goroutines", func(t *testing.T) {
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
		})
		t.Run("is not handed out its own events by the log", func(t *testing.T) {
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
		})
	})
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

// requireClean checks that the writer's connection is the one it was and has no transaction open.
func requireClean(t *testing.T, s *sqlite.Store) {
	t.Helper()
	c, err := s.DB().Connx(t.Context())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Raw(func(raw any) error {
		require.True(t, raw.(interface{ AutoCommit() bool }).AutoCommit(), "a transaction was left open")
		return nil
	}))
}

// Contexts end at any moment of any call: the caller is told the truth, and nothing is left behind.
func TestCancellation(t *testing.T) {
	each(t, &sqlite.Options{Synchronous: sqlite.Normal}, func(t *testing.T, s *sqlite.Store) {
		s.DB().MustExec(`CREATE TABLE orders (id TEXT PRIMARY KEY, total INTEGER)`)
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		calls := []func(ctx context.Context, id string) error{
			func(ctx context.Context, id string) error {
				_, err := s.Commit(ctx, []driver.Write{appends(order(id), driver.NoStream, 1)})
				return err
			},
			func(ctx context.Context, id string) error {
				_, err := s.Commit(ctx, []driver.Write{appends(order(id), driver.Any, 100)})
				return err
			},
			func(ctx context.Context, id string) error {
				return in(ctx, s, func(ctx context.Context) error {
					if _, err := s.Commit(ctx, []driver.Write{appends(order(id), driver.NoStream, 1)}); err != nil {
						return err
					}
					tx, _ := sqltx.From(ctx)
					_, err := tx.ExecContext(ctx, `INSERT INTO orders VALUES (?, 1)`, id)
					return err
				})
			},
			func(ctx context.Context, id string) error {
				tx, err := s.DB().BeginTxx(ctx, nil)
				if err != nil {
					return err
				}
				defer func() { _ = tx.Rollback() }()
				if _, err := tx.ExecContext(ctx, `INSERT INTO orders VALUES (?, 1)`, id); err != nil {
					return err
				}
				return tx.Commit()
			},
		}
		for i := range 400 {
			id := fmt.Sprint(i)
			call := random.IntN(len(calls))
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(400))*time.Microsecond)
			err := calls[call](ctx, id)
			cancel()
			if err != nil && !errors.Is(err, sql.ErrTxDone) {
				require.ErrorIs(t, err, context.DeadlineExceeded, "seed %d, call %d", seed, call)
			}
			requireClean(t, s)
			stored := len(readStream(t, t.Context(), s, order(id)))
			if call == 3 {
				require.NoError(t, s.DB().Get(&stored, `SELECT count(*) FROM orders WHERE id = ?`, id))
			}
			require.Equal(t, err == nil, stored > 0, "seed %d, call %d: %d events are stored after error %v", seed, call, stored, err)
		}
	})
}

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
					require.ErrorIs(t, err, driver.ErrUnavailable)
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
	other, s := open(t, path, nil), open(t, path, &sqlite.Options{BusyTimeout: 50 * time.Millisecond})
	calls := map[string]func(ctx context.Context) error{
		"an append": func(ctx context.Context) error {
			_, err := s.Commit(ctx, []driver.Write{appends(order("1"), driver.NoStream, 1)})
			return err
		},
		"a transaction": func(ctx context.Context) error { return in(ctx, s, func(context.Context) error { return nil }) },
	}
	for name, call := range calls {
		t.Run("is told to "+name+" that waits in vain for another process", func(t *testing.T) {
			require.NoError(t, in(t.Context(), other, func(context.Context) error {
				err := call(t.Context())
				require.ErrorIs(t, err, driver.ErrUnavailable)
				require.ErrorContains(t, err, "another process has held the write lock for 50ms")
				require.ErrorContains(t, err, path)
				return nil
			}))
			require.NoError(t, call(t.Context()))
		})
		t.Run("does not keep "+name+" beyond its context", func(t *testing.T) {
			slow := open(t, path, &sqlite.Options{BusyTimeout: time.Hour})
			s, before := slow, s
			defer func() { s = before }()
			require.NoError(t, in(t.Context(), other, func(context.Context) error {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				_, err := s.Commit(ctx, []driver.Write{appends(order("2"), driver.NoStream, 1)})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				return nil
			}))
		})
	}
}
