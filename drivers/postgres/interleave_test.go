package postgres_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// script is an interleaving of transactions, step by step. After each step two readers look at the log: ours, and a
// naive one that takes what is there and remembers the highest position.
type script struct {
	t     *testing.T
	s     *postgres.Store
	want  []uuid.UUID // committed so far
	ours  []driver.Record
	next  int64
	naive []uuid.UUID
	last  int64 // of the naive one
}

func newScript(t *testing.T) *script { return &script{t: t, s: fresh(t)} }

func (sc *script) look() {
	sc.t.Helper()
	for {
		page, err := sc.s.ReadAll(sc.t.Context(), driver.AllQuery{After: sc.next, Limit: 2, MaxBytes: 1 << 20})
		require.NoError(sc.t, err)
		sc.ours = append(sc.ours, page.Records...)
		sc.next = page.Next
		if len(page.Records) < 2 {
			break
		}
	}
	rows, err := sc.s.DB().QueryContext(sc.t.Context(),
		`SELECT id, global_position FROM tidemark.events WHERE global_position > $1 ORDER BY global_position`, sc.last)
	require.NoError(sc.t, err)
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		require.NoError(sc.t, rows.Scan(&id, &sc.last))
		sc.naive = append(sc.naive, id)
	}
	require.NoError(sc.t, rows.Err())
}

// appends appends n events in a transaction of their own.
func (sc *script) appends(stream string, n int) {
	sc.t.Helper()
	w := appends(order(stream), driver.Any, n)
	commit(sc.t, sc.t.Context(), sc.s, w)
	sc.committed(w)
}

func (sc *script) committed(writes ...driver.Write) {
	sc.t.Helper()
	for _, w := range writes {
		for _, e := range w.Events {
			sc.want = append(sc.want, e.ID)
		}
	}
	sc.look()
}

// in appends an event in an open transaction.
func (sc *script) in(h *held, stream string) driver.Write {
	sc.t.Helper()
	w := appends(order(stream), driver.Any, 1)
	h.commit(sc.s, w)
	sc.look()
	return w
}

// arrived says that our reader has been handed everything by now.
func (sc *script) arrived() {
	sc.t.Helper()
	require.Len(sc.t, sc.ours, len(sc.want), "events handed out, none is held back")
}

// complete ends the script: our reader was handed each event once, in order, and the naive one has missed some.
func (sc *script) complete(naiveMisses int) {
	sc.t.Helper()
	var got []uuid.UUID
	last, versions := int64(0), make(map[driver.StreamID]int64)
	for _, r := range sc.ours {
		got = append(got, r.ID)
		require.Greater(sc.t, r.Position, last, "positions grow")
		last = r.Position
		require.Equal(sc.t, versions[r.Stream]+1, r.Version, "a stream's versions come in order")
		versions[r.Stream] = r.Version
	}
	require.ElementsMatch(sc.t, sc.want, got, "each committed event, once")
	require.Len(sc.t, sc.naive, len(sc.want)-naiveMisses, "what the naive reader got")
}

func TestInterleavings(t *testing.T) {
	t.Run("an early transaction id and a late append", func(t *testing.T) {
		sc := newScript(t)
		sc.s.DB().MustExec(`CREATE TABLE other (n int)`)
		sc.appends("a", 1)
		tx := begin(t, sc.s)
		tx.exec(`INSERT INTO other VALUES (1)`)
		sc.appends("a", 2)
		sc.arrived()
		late := sc.in(tx, "b")
		sc.appends("c", 1)
		tx.commits()
		sc.committed(late)
		sc.arrived()
		sc.complete(1)
	})
	t.Run("two appends in one transaction around another's commit", func(t *testing.T) {
		sc := newScript(t)
		tx := begin(t, sc.s)
		first := sc.in(tx, "a")
		sc.appends("b", 2)
		second := sc.in(tx, "a")
		sc.appends("b", 1)
		tx.commits()
		sc.committed(first, second)
		sc.arrived()
		sc.complete(2)
	})
	t.Run("a rollback in between", func(t *testing.T) {
		sc := newScript(t)
		sc.appends("a", 1)
		stays, goes := begin(t, sc.s), begin(t, sc.s)
		sc.in(goes, "b")
		kept := sc.in(stays, "c")
		sc.appends("d", 1)
		goes.rollsBack()
		sc.look()
		sc.appends("d", 1)
		stays.commits()
		sc.committed(kept)
		sc.arrived()
		sc.complete(1)
	})
	t.Run("the first event ever", func(t *testing.T) {
		sc := newScript(t)
		tx := begin(t, sc.s)
		first := sc.in(tx, "a")
		sc.appends("b", 1)
		require.Empty(t, sc.ours, "the first event is still to come")
		tx.commits()
		sc.committed(first)
		sc.arrived()
		sc.complete(1)
	})
	t.Run("commits in the opposite order", func(t *testing.T) {
		sc := newScript(t)
		var open []*held
		var writes []driver.Write
		for _, stream := range []string{"a", "b", "c", "d"} {
			open = append(open, begin(t, sc.s))
			writes = append(writes, sc.in(open[len(open)-1], stream))
		}
		for i := len(open) - 1; i >= 0; i-- {
			open[i].commits()
			sc.committed(writes[i])
		}
		sc.arrived()
		sc.complete(3)
	})
	t.Run("a savepoint of the caller's takes the first append back, and its lock", func(t *testing.T) {
		sc := newScript(t)
		tx := begin(t, sc.s)
		tx.exec(`SAVEPOINT mine`)
		sc.in(tx, "a")
		tx.exec(`ROLLBACK TO SAVEPOINT mine`)
		sc.appends("b", 1)
		sc.arrived()
		kept := sc.in(tx, "c")
		sc.appends("b", 1)
		tx.commits()
		sc.committed(kept)
		sc.arrived()
		sc.complete(1)
	})
}

func TestAnUnrelatedTransactionStallsNobody(t *testing.T) {
	writing := func(t *testing.T, dsn string) {
		db := connect(t, dsn)
		tx, err := db.BeginTxx(t.Context(), nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = tx.Rollback() })
		tx.MustExec(`CREATE TABLE other (n int)`)
		tx.MustExec(`INSERT INTO other VALUES (1)`)
		tx.MustExec(`SELECT pg_advisory_xact_lock_shared(1), pg_advisory_xact_lock_shared(1, 1), pg_advisory_xact_lock(2)`)
	}
	t.Run("in this database", func(t *testing.T) {
		dsn := pgtest.DSN(t)
		sc := &script{t: t, s: open(t, dsn, nil)}
		writing(t, dsn)
		sc.appends("a", 3)
		sc.arrived()
	})
	t.Run("in another database", func(t *testing.T) {
		sc := newScript(t)
		writing(t, pgtest.DSN(t))
		sc.appends("a", 3)
		sc.arrived()
	})
	t.Run("that has appended to another schema of this database", func(t *testing.T) {
		dsn := pgtest.DSN(t)
		sc := &script{t: t, s: open(t, dsn, nil)}
		other := open(t, dsn, &postgres.Options{Schema: `another "schema", it's`})
		tx := begin(t, other)
		tx.commit(other, appends(order("a"), driver.Any, 1))
		sc.appends("a", 3)
		sc.arrived()
		require.Empty(t, readAll(t, t.Context(), other, 0).Records)
		tx.commits()
		require.Len(t, readAll(t, t.Context(), other, 0).Records, 1)
	})
}

// A position that was rolled back may be given out again after a crash, so no reader may have gone past it.
func TestACrashAfterARollback(t *testing.T) {
	cluster := pgtest.StartCluster(t, nil)
	s := open(t, cluster.DSN("postgres"), &postgres.Options{NotifyInterval: -1})
	commit(t, t.Context(), s, appends(order("a"), driver.Any, 40))
	next := readAll(t, t.Context(), s, 0).Next

	// While it is stopped, only commits go to disk.
	walWriter := get[int](t, s.DB(), `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'`)
	require.NoError(t, syscall.Kill(walWriter, syscall.SIGSTOP))
	tx := begin(t, s)
	tx.commit(s, appends(order("b"), driver.Any, 100))
	tx.rollsBack()
	reader := readAll(t, t.Context(), s, next).Next
	burnt := get[int64](t, s.DB(), `SELECT last_value FROM tidemark.events_position_seq`)
	require.NoError(t, syscall.Kill(walWriter, syscall.SIGKILL)) // upon which the server restarts as after a crash
	eventually(t, func() bool {
		var now int
		err := s.DB().GetContext(t.Context(), &now, `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'`)
		return err == nil && now != walWriter
	}, "restart")

	var receipts []driver.Receipt
	w := appends(order("c"), driver.Any, 1)
	eventually(t, func() (ok bool) {
		var err error
		receipts, err = s.Commit(t.Context(), []driver.Write{w})
		return err == nil
	}, "append again")
	s.DB().SetMaxIdleConns(0) // lets go of the connections that broke
	if receipts[0].Position > burnt {
		t.Log("the server had the positions that were rolled back on disk this time, and used none again")
	}
	require.Len(t, readAll(t, t.Context(), s, reader).Records, 1, "the reader gets the event at a position of second hand")
}

func TestDumpAndRestoreIntoANewCluster(t *testing.T) {
	sc := newScript(t)
	sc.appends("a", 3)
	tx := begin(t, sc.s)
	sc.in(tx, "b")
	tx.rollsBack()
	sc.appends("a", 2)
	require.NoError(t, sc.s.SaveCheckpoint(t.Context(), "reader", 0, sc.next, event("").RecordedAt))

	target := pgtest.StartCluster(t, nil)
	var from string
	require.NoError(t, sc.s.DB().QueryRowx(`SELECT current_database()`).Scan(&from))
	require.NoError(t, dumpAndRestore(t.Context(), dsnOf(t, sc.s), target.DSN("postgres"), "tidemark"))

	sc.s = open(t, target.DSN("postgres"), nil)
	next, err := sc.s.LoadCheckpoint(t.Context(), "reader")
	require.NoError(t, err)
	require.Equal(t, sc.next, next)
	for range 3 {
		tx := begin(t, sc.s)
		first := sc.in(tx, "a")
		sc.appends("c", 1)
		tx.commits()
		sc.committed(first)
		sc.arrived()
	}
	sc.complete(3)
}

func TestATransactionAndTheLog(t *testing.T) {
	t.Run("is not handed its own events, nor anything after them", func(t *testing.T) {
		s := fresh(t)
		commit(t, t.Context(), s, appends(order("a"), driver.Any, 2))
		tx := begin(t, s)
		tx.do(func(ctx context.Context) { require.Len(t, readAll(t, ctx, s, 0).Records, 2) })
		tx.commit(s, appends(order("b"), driver.Any, 2))
		commit(t, t.Context(), s, appends(order("c"), driver.Any, 1))
		tx.do(func(ctx context.Context) { require.Len(t, readAll(t, ctx, s, 0).Records, 2) })
		tx.commits()
		require.Len(t, readAll(t, t.Context(), s, 0).Records, 5)
	})
	for _, isolation := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		t.Run("is refused in "+isolation, func(t *testing.T) {
			s := fresh(t)
			commit(t, t.Context(), s, appends(order("a"), driver.Any, 2))
			readAll(t, t.Context(), s, 0)
			tx := begin(t, s)
			tx.exec(`SET TRANSACTION ISOLATION LEVEL ` + isolation)
			tx.do(func(ctx context.Context) {
				_, err := s.ReadAll(ctx, driver.AllQuery{Limit: 1, MaxBytes: 1})
				require.ErrorContains(t, err, "read the log outside of it")
			})
			receipt := tx.commit(s, appends(order("a"), driver.Any, 1))
			require.Equal(t, int64(3), receipt.Version, "appending works")
			tx.commits()
		})
	}
	t.Run("in REPEATABLE READ loses the race for a stream that has grown", func(t *testing.T) {
		s := fresh(t)
		tx := begin(t, s)
		tx.exec(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`)
		tx.do(func(ctx context.Context) { require.Empty(t, readStream(t, ctx, s, order("a"))) })
		commit(t, t.Context(), s, appends(order("a"), driver.Any, 1))
		tx.do(func(ctx context.Context) {
			_, err := s.Commit(ctx, []driver.Write{appends(order("a"), driver.Any, 1)})
			require.ErrorIs(t, err, driver.ErrRace)
		})
		tx.commit(s, appends(order("b"), driver.Any, 1))
		tx.commits()
	})
	t.Run("takes few locks for many appends", func(t *testing.T) {
		s := fresh(t)
		s.DB().MustExec(`CREATE TABLE other (n int)`)
		tx := begin(t, s)
		for i := range 600 {
			tx.commit(s, appends(order(newID().String()), driver.NoStream, 1+i%2))
		}
		require.Less(t, get[int](t, s.DB(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`), 300)
		tx.commits()
		require.Len(t, readAll(t, t.Context(), s, 0).Records, 900)
	})
}
