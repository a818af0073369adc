package crash_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/torture"
)

// The disk that the whole database is on, its log included, is full, and then has room again. Nobody is restarted but the
// server, which ends when its log can't grow.
func TestEveryAcknowledgedAppendIsThereOnceWhenTheDiskWasFull(t *testing.T) {
	t.Parallel()
	blows := min(torture.Rounds(t, 3), 20)
	left := int64(8 * blows) // of megabytes, for what is stored meanwhile: the disk is to be full for a while only
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		disk := fault.StartDisk(t, 16+left)
		database := filepath.Join(disk.Dir, "crash.db")
		strikeServer(t, database, blows, func() {
			disk.Fill()
			appendUntilItFails(t, database)
			disk.Clear()
		})
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		disk := fault.StartDisk(t, 256+left)
		cluster := durableCluster(t, disk, nil)
		database := cluster.DSN("postgres")
		strikeServer(t, database, blows, func() {
			db := connect(t, database)
			disk.Fill()
			appendUntilItFails(t, database)
			for err := error(nil); err == nil; { // until there is no room for another part of its log
				_, err = db.Exec(`SELECT pg_create_restore_point('so that there is something in this one'), pg_switch_wal()`)
			}
			disk.Clear()
			require.NoError(t, cluster.Kill())
			require.NoError(t, cluster.Start(t.Context()))
		})
	})
}

// appendUntilItFails appends large events, with an error that says in the end that there is no room.
func appendUntilItFails(t *testing.T, database string) {
	t.Helper()
	store, _ := open(t.Context(), database)
	defer store.Close()
	large := eventstore.NewEvent{Payload: unrelated{1}, Metadata: eventstore.Metadata{"text": strings.Repeat("x", 30_000)}}
	var err error
	for err == nil {
		_, err = store.Append(t.Context(), counter(streams), eventstore.Any, large)
	}
	require.True(t, eventstore.Retryable(err), err)
	require.Regexp(t, "full|No space left", err)
}
