package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/torture"
)

// A copy of the file and its log, of which the end is missing or a byte is wrong, as after a power failure or a copy that
// was cut short. It opens with the first of the appends, each of them whole, and takes new ones.
func TestALogThatWasCopiedAndCutOrDamaged(t *testing.T) {
	t.Parallel()
	path := inFile(t)
	s := open(t, path, &sqlite.Options{Synchronous: sqlite.Normal})
	for i := range 60 {
		commit(t, t.Context(), s, appends(order(fmt.Sprint(i%7)), driver.Any, 1+i%9))
	}
	all := readAll(t, t.Context(), s, 0).Records
	database, log := contents(t, path), contents(t, path+"-wal")
	seed := rand.Uint64()
	t.Logf("seed %d, a log of %d bytes", seed, len(log))
	random := rand.New(rand.NewPCG(seed, 0))
	kept := map[int]bool{}
	for range torture.Rounds(t, 30) {
		at := random.IntN(len(log))
		cut := log[:at:at]
		if random.IntN(3) == 0 {
			cut = append([]byte(nil), log...)
			cut[at] ^= byte(1 + random.IntN(255))
		}
		kept[requireBeginning(t, all, database, cut)] = true
	}
	require.Greater(t, len(kept), 10, "different numbers of events were left")
}

// requireBeginning opens a copy, checks that it holds whole appends from the beginning of all, and returns how many events.
func requireBeginning(t *testing.T, all []driver.Record, database, log []byte) int {
	t.Helper()
	path := inFile(t)
	require.NoError(t, os.WriteFile(path, database, 0o600))
	require.NoError(t, os.WriteFile(path+"-wal", log, 0o600))
	s, err := sqlite.Open(t.Context(), path, &sqlite.Options{Synchronous: sqlite.Normal})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	records := readAll(t, t.Context(), s, 0).Records
	whole(t, s)
	for i, r := range records {
		require.Equal(t, all[i], r)
	}
	commit(t, t.Context(), s, appends(order("new"), driver.NoStream, 3))
	require.Len(t, readAll(t, t.Context(), s, 0).Records, len(records)+3)
	return len(records)
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// closedFile returns a file with events, all in one file, and how many there are.
func closedFile(t *testing.T) (path string, events int) {
	t.Helper()
	path = inFile(t)
	s, err := sqlite.Open(t.Context(), path, &sqlite.Options{Synchronous: sqlite.Normal})
	require.NoError(t, err)
	for i := range 50 {
		commit(t, t.Context(), s, appends(order(fmt.Sprint(i)), driver.NoStream, 10))
	}
	require.NoError(t, s.Close())
	return path, 500
}

// Damage shows as an error that says so, and never as fewer events.
func TestADamagedFile(t *testing.T) {
	t.Parallel()
	const pageSize = 4096
	for name, damage := range map[string]func(file []byte) []byte{
		"that is cut":                   func(file []byte) []byte { return file[:len(file)/2/pageSize*pageSize] },
		"that is cut in a page":         func(file []byte) []byte { return file[:len(file)/2/pageSize*pageSize+100] },
		"that has lost a page":          func(file []byte) []byte { return zero(file, len(file)/2/pageSize*pageSize, pageSize) },
		"that has lost its first page":  func(file []byte) []byte { return zero(file, 0, pageSize) },
		"whose first words are wrong":   func(file []byte) []byte { return zero(file, 0, 16) },
		"that has lost its second half": func(file []byte) []byte { return zero(file, len(file)/2, len(file)/2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, _ := closedFile(t)
			require.NoError(t, os.WriteFile(path, damage(contents(t, path)), 0o600))
			err := readWhole(t.Context(), path)
			var own sqlite3.Error
			require.ErrorAs(t, err, &own)
			require.Contains(t, []sqlite3.ErrNo{sqlite3.ErrCorrupt, sqlite3.ErrNotADB}, own.Code, err)
			require.ErrorContains(t, err, path)
		})
	}
	t.Run("is new if it is empty", func(t *testing.T) {
		path := inFile(t)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.Empty(t, readAll(t, t.Context(), open(t, path, nil), 0).Records)
	})
	t.Run("is told from one that is none", func(t *testing.T) {
		for _, other := range []string{"open_test.go", filepath.Base(os.Args[0])} {
			text := []byte("package sqlite_test // " + other)
			path := inFile(t)
			require.NoError(t, os.WriteFile(path, append(text, make([]byte, 10_000)...), 0o600))
			_, err := sqlite.Open(t.Context(), path, nil)
			require.ErrorContains(t, err, "no SQLite database")
			require.Equal(t, text, contents(t, path)[:len(text)], "the file is as it was")
		}
	})
}

func zero(file []byte, from, n int) []byte {
	clear(file[from : from+n])
	return file
}

func readWhole(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.ReadAll(ctx, driver.AllQuery{Limit: 1 << 20, MaxBytes: 1 << 30})
	return err
}
