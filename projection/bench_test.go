package projection_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

const benchEvents = 20_000

// onEveryBench runs a benchmark on each driver, over a log of so many events.
func onEveryBench(b *testing.B, events int, bench func(b *testing.B, store *eventstore.Store)) {
	b.Run("memory", func(b *testing.B) { bench(b, filled(b, shop(memory.New()), events)) })
	b.Run("SQLite", func(b *testing.B) {
		drv, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "events.db"), nil)
		require.NoError(b, err)
		bench(b, filled(b, shop(drv), events))
	})
}

func filled(b *testing.B, store *eventstore.Store, events int) *eventstore.Store {
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	const size = 500
	payloads := make([]any, size)
	for i := range payloads {
		payloads[i] = Paid{Cents: i}
	}
	for i := range events / size {
		_, err := store.Append(b.Context(), eventstore.StreamID{Type: "order", ID: fmt.Sprint(i)}, eventstore.NoStream,
			eventstore.Events(payloads...)...)
		require.NoError(b, err)
	}
	return store
}

// BenchmarkRead is what BenchmarkCatchUp is to be compared with: reading and decoding, and nothing else.
func BenchmarkRead(b *testing.B) {
	onEveryBench(b, benchEvents, func(b *testing.B, store *eventstore.Store) {
		for b.Loop() {
			for page := (eventstore.Page{Head: 1}); page.Next < page.Head; {
				var err error
				page, err = store.ReadAll(b.Context(), page.Next, nil)
				require.NoError(b, err)
			}
		}
		b.ReportMetric(float64(benchEvents*b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

func BenchmarkCatchUp(b *testing.B) {
	onEveryBench(b, benchEvents, func(b *testing.B, store *eventstore.Store) {
		n := 0
		for b.Loop() {
			n++
			whileEmptyRuns(b, store, fmt.Sprint("empty ", n), func(r *projection.Runner, name string) {
				require.NoError(b, r.WaitFor(b.Context(), name, benchEvents))
			})
		}
		b.ReportMetric(float64(benchEvents*b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

// BenchmarkAppend is what BenchmarkAppendAndWaitFor is to be compared with.
func BenchmarkAppend(b *testing.B) {
	onEveryBench(b, 0, func(b *testing.B, store *eventstore.Store) {
		for b.Loop() {
			appendOne(b, store)
		}
	})
}

// BenchmarkAppendAndWaitFor is an append and the commit of a projection that has waited for it.
func BenchmarkAppendAndWaitFor(b *testing.B) {
	onEveryBench(b, 0, func(b *testing.B, store *eventstore.Store) {
		whileEmptyRuns(b, store, "empty", func(r *projection.Runner, name string) {
			for b.Loop() {
				require.NoError(b, r.WaitFor(b.Context(), name, appendOne(b, store)))
			}
		})
	})
}

func appendOne(b *testing.B, store *eventstore.Store) int64 {
	receipt, err := store.Append(b.Context(), eventstore.StreamID{Type: "order", ID: "one"}, eventstore.Any,
		eventstore.Events(Paid{Cents: 1})...)
	require.NoError(b, err)
	return receipt.Position
}

// whileEmptyRuns calls f while a projection that does nothing runs.
func whileEmptyRuns(b *testing.B, store *eventstore.Store, name string, f func(r *projection.Runner, name string)) {
	p := projection.New(name, nil)
	projection.On(p, func(context.Context, projection.Event[Paid]) error { return nil })
	r, err := projection.NewRunner(store, &projection.RunnerOptions{Logger: slog.New(slog.DiscardHandler)}, p)
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	f(r, name)
	stop()
	require.NoError(b, <-ended)
}
