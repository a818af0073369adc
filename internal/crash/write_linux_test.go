package crash_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/torture"
)

// limitEnv tells such a process how many bytes long a file may get before the next write kills it.
const limitEnv = "TIDEMARK_CRASH_LIMIT"

func limitFiles() {
	text := os.Getenv(limitEnv)
	if text == "" {
		return
	}
	limit, err := strconv.ParseUint(text, 10, 64)
	check(err)
	check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}))
	var deadly [32]byte // a struct sigaction of zeros: the default, where Go's runtime would let the write fail instead
	_, _, failed := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGXFSZ), uintptr(unsafe.Pointer(&deadly)), 0, 8, 0, 0)
	if failed != 0 {
		check(failed)
	}
}

// A process dies in the midst of a write to a SQLite file or its log, at any byte: the system ends it when a file grows
// beyond a limit, after what still fits has been written.
func TestAProcessThatDiesAtAnyByteOfAWrite(t *testing.T) {
	t.Parallel()
	database := filepath.Join(t.TempDir(), "crash.db")
	acknowledged := map[string]bool{}
	store, _ := open(t.Context(), database)
	require.NoError(t, store.Close())
	lives := torture.Rounds(t, 40)
	for i := range lives {
		longest := max(size(database), size(database+"-wal"))
		limit := 40_000 + rand.Int64N(longest+300_000)
		if i%2 == 0 { // a log that has grown would else end most lives with their first commit
			limit = max(40_000, longest) + rand.Int64N(300_000)
		}
		v := startVictim(t, database, fmt.Sprintf("%s=%d", limitEnv, limit))
		require.ErrorContains(t, v.end(acknowledged), "signal: file size limit exceeded", "at %d bytes: %s", limit, v.complaints())
	}
	t.Logf("%d events were acknowledged in %d lives", len(acknowledged), lives)
	requireWhole(t, database, acknowledged)
}

func size(file string) int64 {
	stat, err := os.Stat(file)
	if err != nil {
		return 0 // the log is gone when it was closed in good order
	}
	return stat.Size()
}
