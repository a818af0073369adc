package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// TestMain lets the test binary serve as the other process of TestTwoProcesses, and as those that faults happen to.
func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		os.Exit(otherProcess(path))
	}
	if what := os.Getenv(faultEnv); what != "" {
		os.Exit(faultProcess(what))
	}
	os.Exit(m.Run())
}

func open(t testing.TB, path string, opts *sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func inFile(t testing.TB) string { return filepath.Join(t.TempDir(), "events.db") }

// each runs a test on a file and in memory.
func each(t *testing.T, opts *sqlite.Options, test func(t *testing.T, s *sqlite.Store)) {
	t.Helper()
	t.Run("in a file", func(t *testing.T) { test(t, open(t, inFile(t), opts)) })
	t.Run("in memory", func(t *testing.T) { test(t, open(t, ":memory:", opts)) })
}

func order(id string) driver.StreamID { return driver.StreamID{Type: "order", ID: id} }

func event(data string) driver.Event {
	return driver.Event{
		ID: uuid.Must(uuid.NewV7()), Type: "order.placed", Schema: 1, ContentType: "application/json",
		Data: []byte(data), RecordedAt: time.Date(2025, 3, 4, 5, 6, 7, 8000, time.UTC),
	}
}

// appends returns a write of n events.
func appends(stream driver.StreamID, expected driver.ExpectedVersion, n int) driver.Write {
	w := driver.Write{Stream: stream, Expected: expected, Events: make([]driver.Event, n)}
	for i := range w.Events {
		w.Events[i] = event(`{"total":1}`)
	}
	return w
}

func commit(t testing.TB, ctx context.Context, s *sqlite.Store, writes ...driver.Write) []driver.Receipt {
	t.Helper()
	receipts, err := s.Commit(ctx, writes)
	require.NoError(t, err)
	return receipts
}

// readStream returns all events of a stream.
func readStream(t testing.TB, ctx context.Context, s *sqlite.Store, stream driver.StreamID) []driver.Record {
	t.Helper()
	records, err := s.ReadStream(ctx, driver.StreamQuery{Stream: stream, From: 1, Limit: 1 << 20, MaxBytes: 1 << 30})
	require.NoError(t, err)
	return records
}

func readAll(t testing.TB, ctx context.Context, s *sqlite.Store, after int64) driver.Page {
	t.Helper()
	page, err := s.ReadAll(ctx, driver.AllQuery{After: after, Limit: 1 << 20, MaxBytes: 1 << 30})
	require.NoError(t, err)
	return page
}

// in runs fn in a transaction of the store's database.
func in(ctx context.Context, s *sqlite.Store, fn func(ctx context.Context) error) error {
	return sqltx.In(ctx, s.DB(), fn)
}
