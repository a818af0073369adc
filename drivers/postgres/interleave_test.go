package postgres_test

import (
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

// TestInterleavings plays each script, and says how many events the naive reader loses in it.
func TestInterleavings(t *testing.T) {
	for _, script := range []struct {
		name   string
		play   func(sc *script)
		misses int
	}{
		{"an early transaction id and a late append", earlyTransactionIDAndLateAppend, 1},
		{"two appends in one transaction around another's commit", twoAppendsAroundAnothersCommit, 2},
		{"a rollback in between", rollbackInBetween, 1},
		{"the first event ever", firstEventEver, 1},
		{"commits in the opposite order", commitsInTheOppositeOrder, 3},
		{"a savepoint of the caller's takes the first append back, and its lock", savepointTakesTheLockBack, 1},
	} {
		t.Run(script.name, func(t *testing.T) {
			sc := newScript(t)
			script.play(sc)
			sc.arrived()
			sc.complete(script.misses)
		})
	}
}

func earlyTransactionIDAndLateAppend(sc *script) {
	sc.s.DB().MustExec(`CREATE TABLE other (n int)`)
	sc.appends("a", 1)
	tx := begin(sc.t, sc.s)
	tx.exec(`INSERT INTO other VALUES (1)`)
	sc.appends("a", 2)
	sc.arrived()
	late := sc.in(tx, "b")
	sc.appends("c", 1)
	tx.commits()
	sc.committed(late)
}

func twoAppendsAroundAnothersCommit(sc *script) {
	tx := begin(sc.t, sc.s)
	first := sc.in(tx, "a")
	sc.appends("b", 2)
	second := sc.in(tx, "a")
	sc.appends("b", 1)
	tx.commits()
	sc.committed(first, second)
}

func rollbackInBetween(sc *script) {
	sc.appends("a", 1)
	stays, goes := begin(sc.t, sc.s), begin(sc.t, sc.s)
	sc.in(goes, "b")
	kept := sc.in(stays, "c")
	sc.appends("d", 1)
	goes.rollsBack()
	sc.look()
	sc.appends("d", 1)
	stays.commits()
	sc.committed(kept)
}

func firstEventEver(sc *script) {
	tx := begin(sc.t, sc.s)
	first := sc.in(tx, "a")
	sc.appends("b", 1)
	require.Empty(sc.t, sc.ours, "the first event is still to come")
	tx.commits()
	sc.committed(first)
}

func commitsInTheOppositeOrder(sc *script) {
	var open []*held
	var writes []driver.Write
	for _, stream := range []string{"a", "b", "c", "d"} {
		open = append(open, begin(sc.t, sc.s))
		writes = append(writes, sc.in(open[len(open)-1], stream))
	}
	for i := len(open) - 1; i >= 0; i-- {
		open[i].commits()
		sc.committed(writes[i])
	}
}

func savepointTakesTheLockBack(sc *script) {
	tx := begin(sc.t, sc.s)
	tx.exec(`SAVEPOINT mine`)
	sc.in(tx, "a")
	tx.exec(`ROLLBACK TO SAVEPOINT mine`)
	sc.appends("b", 1)
	sc.arrived()
	kept := sc.in(tx, "c")
	sc.appends("b", 1)
	tx.commits()
	sc.committed(kept)
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
