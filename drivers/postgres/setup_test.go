package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func open(t testing.TB, dsn string, opts *postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func order(id string) driver.StreamID { return driver.StreamID{Type: "order", ID: id} }

func event(data string) driver.Event {
	return driver.Event{
		ID: newID(), Type: "order.placed", Schema: 1, ContentType: "application/json",
		Data: []byte(data), Metadata: []byte(`{"correlation_id":"abc"}`), RecordedAt: time.Date(2025, 3, 4, 5, 6, 7, 8000, time.UTC),
	}
}

// appends returns a write of n events.
func appends(stream driver.StreamID, expected driver.ExpectedVersion, n int) driver.Write {
	w := driver.Write{Stream: stream, Expected: expected, Events: make([]driver.Event, n)}
	for i := range w.Events {
		w.Events[i] = event(payload)
	}
	return w
}

func commit(t testing.TB, ctx context.Context, s *postgres.Store, writes ...driver.Write) []driver.Receipt {
	t.Helper()
	receipts, err := s.Commit(ctx, writes)
	require.NoError(t, err)
	return receipts
}

func readAll(t testing.TB, ctx context.Context, s *postgres.Store, after int64) driver.Page {
	t.Helper()
	page, err := s.ReadAll(ctx, driver.AllQuery{After: after, Limit: 1 << 20, MaxBytes: 1 << 30})
	require.NoError(t, err)
	return page
}
