package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// noon is the time by the clocks of the tests. The server's own clock has no part in leases.
var noon = time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)

func acquire(t testing.TB, ctx context.Context, s *postgres.Store, owner string, now time.Time, ttl time.Duration) driver.Lease {
	t.Helper()
	lease, err := s.Acquire(ctx, "p", owner, now, now.Add(ttl))
	require.NoError(t, err)
	return lease
}

// A process that is frozen in the midst of a transaction, as by SIGSTOP, looks to the server like one that has nothing to
// say.
func TestAFrozenOwner(t *testing.T) {
	const ttl = 300 * time.Millisecond
	for name, reach := range reachedStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.DSN(t)
			other := open(t, dsn, nil)
			other.DB().MustExec(`CREATE TABLE totals (n int)`)
			s := reach(t, dsn)
			lease := acquire(t, t.Context(), s, "one", noon, ttl)
			tx := begin(t, s)
			tx.do(func(ctx context.Context) { require.NoError(t, s.SaveLease(ctx, moved(lease, 7), 0, noon)) })
			tx.exec(`INSERT INTO totals VALUES (7)`)

			later := noon.Add(time.Hour)
			_, err := other.Acquire(t.Context(), "p", "two", later, later.Add(time.Minute))
			require.ErrorAs(t, err, new(*driver.HeldError), "the transaction may yet commit")
			eventually(t, func() bool {
				_, err = other.Acquire(t.Context(), "p", "two", later, later.Add(time.Minute))
				return err == nil
			}, "the server has ended the transaction")

			tx.do(func(ctx context.Context) {
				require.ErrorIs(t, s.SaveLease(ctx, moved(lease, 8), 7, later), driver.ErrUnavailable, "it wakes up")
			})
			tx.end <- nil
			require.ErrorIs(t, <-tx.end, driver.ErrUnavailable)
			require.Zero(t, get[int](t, other.DB(), `SELECT count(*) FROM totals`))
			require.ErrorIs(t, s.SaveLease(t.Context(), moved(lease, 9), 0, later), driver.ErrLeaseLost)
			stored := acquire(t, t.Context(), other, "two", later, time.Minute)
			require.Equal(t, []int64{0, lease.Token + 1}, []int64{stored.Position, stored.Token})
		})
	}
}

// reachedStores are the ways to reach a server.
var reachedStores = map[string]func(t *testing.T, dsn string) *postgres.Store{
	"with lib/pq": func(t *testing.T, dsn string) *postgres.Store { return open(t, dsn, nil) },
	"with pgx":    func(t *testing.T, dsn string) *postgres.Store { return pgxStore(t, dsn, nil) },
	"with lib/pq behind a proxy": func(t *testing.T, dsn string) *postgres.Store {
		return open(t, startProxy(t, dsn), &postgres.Options{Unprepared: true, ListenDSN: dsn})
	},
	"with pgx behind a proxy": func(t *testing.T, dsn string) *postgres.Store {
		return pgxStore(t, with(startProxy(t, dsn), "default_query_exec_mode", "exec"), &postgres.Options{Unprepared: true})
	},
}

func pgxStore(t *testing.T, dsn string, opts *postgres.Options) *postgres.Store {
	t.Helper()
	s, done, err := newPGX(t.Context(), dsn, opts)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, done())
	})
	require.NoError(t, err)
	return s.(*postgres.Store)
}

// moved returns a lease at another position, for as long as it was taken for.
func moved(l driver.Lease, to int64) driver.Lease {
	l.Position = to
	return l
}

func TestALeaseLimitsHowLongItsTransactionMayIdle(t *testing.T) {
	const show = `SHOW idle_in_transaction_session_timeout`
	s := open(t, pgtest.DSN(t), &postgres.Options{MaxConns: 1})
	for before, want := range map[string]string{"0": "15s", "1h": "15s", "16s": "15s", "14s": "14s", "250ms": "250ms", "2d": "15s"} {
		t.Run("where it was "+before, func(t *testing.T) {
			tx := begin(t, s)
			defer tx.commits()
			tx.exec(`SET LOCAL idle_in_transaction_session_timeout = '` + before + `'`)
			tx.do(func(ctx context.Context) {
				lease := acquire(t, ctx, s, "one", noon, 15*time.Second)
				require.Equal(t, want, get[string](t, tx.tx, show), "after Acquire")
				require.NoError(t, s.SaveLease(ctx, lease, 0, noon))
				require.Equal(t, want, get[string](t, tx.tx, show), "after SaveLease")
			})
		})
	}
	t.Run("to the shortest of several leases", func(t *testing.T) {
		tx := begin(t, s)
		defer tx.commits()
		tx.do(func(ctx context.Context) {
			for _, ttl := range []time.Duration{15, 5, 10} {
				acquire(t, ctx, s, "one", noon, ttl*time.Second)
			}
			require.Equal(t, "5s", get[string](t, tx.tx, show))
		})
	})
	t.Run("even if it was lost", func(t *testing.T) {
		old := acquire(t, t.Context(), s, "one", noon, 15*time.Second)
		acquire(t, t.Context(), s, "two", noon.Add(time.Hour), time.Hour)
		tx := begin(t, s)
		defer tx.commits()
		tx.do(func(ctx context.Context) {
			require.ErrorIs(t, s.SaveLease(ctx, old, 0, noon), driver.ErrLeaseLost)
			require.Equal(t, "15s", get[string](t, tx.tx, show))
		})
	})
	t.Run("and not what comes after it", func(t *testing.T) {
		acquire(t, t.Context(), s, "two", noon, time.Second)
		require.Equal(t, "0", get[string](t, s.DB(), show))
	})
}

func TestALeaseInARepeatableReadTransaction(t *testing.T) {
	s := fresh(t)
	lease := acquire(t, t.Context(), s, "one", noon, time.Minute)
	tx := begin(t, s)
	tx.exec(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`)
	tx.do(func(ctx context.Context) { require.Empty(t, readStream(t, ctx, s, order("a"))) })
	later := acquire(t, t.Context(), s, "two", noon.Add(time.Hour), time.Minute)
	var acquired, saved error
	tx.do(func(ctx context.Context) {
		_, acquired = s.Acquire(ctx, "p", "one", later.Until, later.Until.Add(time.Minute))
	})
	require.ErrorIs(t, acquired, driver.ErrRace, "it sees the lease as it was")
	tx.do(func(ctx context.Context) { saved = s.SaveLease(ctx, lease, 0, noon) })
	require.ErrorIs(t, saved, driver.ErrRace)
	tx.rollsBack()
}

func TestALeaseCommitsWithTheCallersOwnSQL(t *testing.T) {
	s := fresh(t)
	s.DB().MustExec(`CREATE TABLE totals (n int)`)
	lease := acquire(t, t.Context(), s, "one", noon, time.Minute)
	note := driver.DeadLetter{Projection: "p", Position: 3, Stream: order("a"), Version: 1, Type: "x", FirstAt: noon, LastAt: noon}
	work := func(how error) error {
		return sqltx.In(t.Context(), s.DB(), func(ctx context.Context) error {
			tx, _ := sqltx.From(ctx)
			tx.MustExec(`INSERT INTO totals VALUES (7)`)
			commit(t, ctx, s, appends(order("a"), driver.Any, 1))
			require.NoError(t, s.SaveDeadLetter(ctx, note))
			require.NoError(t, s.SaveLease(ctx, moved(lease, 7), 0, noon))
			return how
		})
	}
	state := func() []int {
		position, err := s.LoadCheckpoint(t.Context(), "p")
		require.NoError(t, err)
		notes, err := s.DeadLetters(t.Context(), "p", 0, 10)
		require.NoError(t, err)
		return []int{int(position), len(notes), len(readStream(t, t.Context(), s, order("a"))), get[int](t, s.DB(), `SELECT count(*) FROM totals`)}
	}
	require.ErrorIs(t, work(errRollback), errRollback)
	require.Equal(t, []int{0, 0, 0, 0}, state())
	require.NoError(t, work(nil))
	require.Equal(t, []int{7, 1, 1, 1}, state())
}

func TestARoleWithTheDocumentedGrantsKeepsLeases(t *testing.T) {
	dsn := pgtest.DSN(t)
	s := open(t, asRole(t, open(t, dsn, nil), dsn), nil)
	lease := acquire(t, t.Context(), s, "one", noon, time.Minute)
	require.NoError(t, s.SaveLease(t.Context(), lease, 0, noon))
	require.NoError(t, s.ReleaseLease(t.Context(), "p", lease.Token, noon))
	note := driver.DeadLetter{Projection: "p", Position: 3, Stream: order("a"), Version: 1, Type: "x", FirstAt: noon, LastAt: noon}
	require.NoError(t, s.SaveDeadLetter(t.Context(), note))
	require.NoError(t, s.SaveDeadLetter(t.Context(), note))
	require.NoError(t, s.DeleteDeadLetter(t.Context(), "p", 3))
}
