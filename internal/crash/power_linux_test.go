package crash_test

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
)

// The power fails, and takes with it what nobody has had synced to disk.
func TestNothingAcknowledgedIsLostWhenThePowerFails(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		disk := fault.StartDisk(t, 64)
		cutAgainAndAgain(t, disk, filepath.Join(disk.Dir, "crash.db"), torture.Rounds(t, 10), disk.Mend)
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		disk := fault.StartDisk(t, 512)
		cluster := durableCluster(t, disk, nil)
		cutAgainAndAgain(t, disk, cluster.DSN("postgres"), torture.Rounds(t, 4), func() { mend(t, disk, cluster) })
	})
}

func cutAgainAndAgain(t *testing.T, disk *fault.Disk, database string, cuts int, mend func()) {
	t.Helper()
	acknowledged := map[string]bool{}
	for range cuts {
		runAndCut(t, disk, database, 1+rand.IntN(300), acknowledged)
		mend()
	}
	t.Logf("%d events were acknowledged through %d cuts", len(acknowledged), cuts)
	requireWhole(t, database, acknowledged)
}

// The same cuts lose what those acknowledge who don't wait for the disk: the test above bites.
func TestAPowerFailureTakesWhatIsAcknowledgedBeforeItIsSynced(t *testing.T) {
	t.Parallel()
	const enough = 100
	t.Run("SQLite, with Synchronous: Normal", func(t *testing.T) {
		t.Parallel()
		disk := fault.StartDisk(t, 64)
		database := filepath.Join(disk.Dir, "crash.db")
		acknowledged := map[string]bool{}
		runAndCut(t, disk, database, enough, acknowledged, synchronousEnv+"=normal")
		disk.Mend()
		requireLoss(t, database, acknowledged)
	})
	t.Run("Postgres, with synchronous_commit = off", func(t *testing.T) {
		t.Parallel()
		disk := fault.StartDisk(t, 512)
		cluster := durableCluster(t, disk, map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s"})
		acknowledged := map[string]bool{}
		runAndCut(t, disk, cluster.DSN("postgres"), enough, acknowledged)
		mend(t, disk, cluster)
		requireLoss(t, cluster.DSN("postgres"), acknowledged)
	})
}

// durableCluster starts a server that has what it commits on a disk, as servers in production do.
func durableCluster(t *testing.T, disk *fault.Disk, settings map[string]string) *pgtest.Cluster {
	t.Helper()
	all := map[string]string{"fsync": "on", "full_page_writes": "on"}
	maps.Copy(all, settings)
	cluster := pgtest.StartClusterIn(t, disk.Dir, all)
	disk.Sync() // who sets it up does not wait for the disk
	return cluster
}

func mend(t *testing.T, disk *fault.Disk, cluster *pgtest.Cluster) {
	t.Helper()
	require.NoError(t, cluster.Kill())
	disk.Mend()
	require.NoError(t, cluster.Start(t.Context()))
}

// runAndCut starts a process, reads what it acknowledges, and cuts the power after some lines. See Disk.Cut for why it does
// not believe what is acknowledged after that.
func runAndCut(t *testing.T, disk *fault.Disk, database string, lines int, acknowledged map[string]bool, env ...string) {
	t.Helper()
	v := startVictim(t, database, env...)
	for range lines {
		line, ok := <-v.lines
		require.True(t, ok, v.complaints())
		acknowledged[line] = true
	}
	disk.Cut()
	v.signal(syscall.SIGKILL)
	tooLate := map[string]bool{}
	require.Error(t, v.end(tooLate))
}

func requireLoss(t *testing.T, database string, acknowledged map[string]bool) {
	t.Helper()
	store, _ := open(t.Context(), database)
	defer store.Close()
	lost := missing(t, store, acknowledged)
	t.Logf("%d of %d events that were acknowledged are lost", len(lost), len(acknowledged))
	require.NotEmpty(t, lost)
}
