//go:build linux

package postgres_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// The disk is full where the server keeps large values: instead of its file it finds a device that has no room.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	cluster := pgtest.StartCluster(t, nil)
	s := open(t, cluster.DSN("postgres"), nil)
	large := appends(order("large"), driver.NoStream, 1)
	text := make([]byte, 50_000)
	_, _ = rand.Read(text) // does not fail
	large.Events[0].Data = fmt.Appendf(nil, `"%x"`, text)

	makeRoom := fillDisk(t, s)
	for range 3 {
		_, err := s.Commit(t.Context(), []driver.Write{large})
		requireRetryable(t, err)
		require.ErrorContains(t, err, "No space left on device")
		var coded interface{ SQLState() string }
		require.ErrorAs(t, err, &coded)
		require.Equal(t, "53100", coded.SQLState())
	}
	outcomes, err := s.CommitBatch(t.Context(), [][]driver.Write{{appends(order("rider"), driver.Any, 1)}, {large}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err, "what shares a batch with it finds room by itself")
	requireRetryable(t, outcomes[1].Err)
	commit(t, t.Context(), s, appends(order("small"), driver.Any, 2))
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 3, "what finds room is stored, and the log goes on")
	makeRoom()
	receipts := commit(t, t.Context(), s, large)
	require.Equal(t, int64(1), receipts[0].Version)
	requireSound(t, s)
}

// fillDisk leaves no room for large values until makeRoom is called.
func fillDisk(t *testing.T, s *postgres.Store) (makeRoom func()) {
	t.Helper()
	file := filepath.Join(get[string](t, s.DB(), `SHOW data_directory`),
		get[string](t, s.DB(), `SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = 'tidemark.events'::regclass`))
	require.NoError(t, os.Rename(file, file+".aside"))
	require.NoError(t, os.Symlink("/dev/full", file))
	return func() {
		require.NoError(t, os.Rename(file+".aside", file))
		s.DB().MustExec(`ALTER TABLE tidemark.events SET (toast.autovacuum_enabled = off)`) // has the server open the file anew
	}
}
