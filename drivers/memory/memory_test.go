package memory_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
	"github.com/tidemark-go/tidemark/internal/torture"
)

// open returns a database whose second handle is the same Store: closing one does nothing, and there is no other way to
// what it holds.
func open(context.Context) (*drivertest.Database, error) {
	store := memory.New()
	return &drivertest.Database{
		Store:  store,
		Reopen: func(context.Context) (driver.Store, error) { return store, nil },
	}, nil
}

func TestConformance(t *testing.T) { drivertest.Run(t, open) }

func BenchmarkConformance(b *testing.B) { drivertest.Benchmark(b, open) }

func TestNew(t *testing.T) {
	t.Run("each store is a database of its own", func(t *testing.T) {
		one, two := memory.New(), memory.New()
		stream := driver.StreamID{Type: "note", ID: "1"}
		snapshot := driver.Snapshot{Stream: stream, Version: 1}
		require.NoError(t, one.SaveSnapshot(t.Context(), snapshot))
		_, ok, err := two.LoadSnapshot(t.Context(), stream)
		require.NoError(t, err)
		require.False(t, ok)
	})
}

func TestClose(t *testing.T) {
	t.Run("leaves the events where they are", func(t *testing.T) {
		store := memory.New()
		require.NoError(t, store.SaveCheckpoint(t.Context(), "totals", 0, 7, time.Now()))
		require.NoError(t, store.Close())
		position, err := store.LoadCheckpoint(t.Context(), "totals")
		require.NoError(t, err)
		require.Equal(t, int64(7), position)
	})
}

func TestHistories(t *testing.T) {
	drivertest.RunHistories(t, open, &drivertest.HistoryOptions{Duration: torture.Length(t, 0)})
}
