package postgres_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

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
	if !canDump(dsnOf(t, sc.s)) {
		t.Skip("there is no pg_dump on this machine, or it is older than the server")
	}
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
