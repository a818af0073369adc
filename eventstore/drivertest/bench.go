package drivertest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const largeVariable = "DRIVERTEST_LARGE"

// Benchmark measures a driver under the portable store, as its users meet it: appends of one event at several degrees of
// concurrency, appends of ten, loads of short and long streams, and the global log. Time and allocations are those of
// one append, one load, one pass over the log. With the environment variable DRIVERTEST_LARGE it also loads a stream of
// a million events and reports how far the heap grew.
func Benchmark(b *testing.B, open Opener) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("Append1/concurrency=%d", n), func(b *testing.B) { benchmarkAppend(b, benchStore(b, open), n, 1) })
	}
	b.Run("Append10", func(b *testing.B) { benchmarkAppend(b, benchStore(b, open), 1, 10) })
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("Load/events=%d", n), func(b *testing.B) { benchmarkLoad(b, benchStore(b, open), n) })
	}
	b.Run("ReadAll/events=10000", func(b *testing.B) { benchmarkReadAll(b, benchStore(b, open), 10_000) })
	if os.Getenv(largeVariable) != "" {
		b.Run("Load/events=1000000", func(b *testing.B) { benchmarkLoad(b, benchStore(b, open), 1_000_000) })
	}
}

func benchStore(b *testing.B, open Opener) *eventstore.Store {
	b.Helper()
	p, err := newProbe(context.WithoutCancel(b.Context()), open, defaultPatience)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.close(); err != nil {
			b.Error(err)
		}
	})
	return p.portable()
}

// benchEvents returns events of some 200 bytes each.
func benchEvents(n int) []eventstore.NewEvent {
	const text = "an event's payload is seldom longer than this text, which has two hundred bytes together with the names " +
		"and the brackets around it: most of them hold a few numbers, a date, and an id or two"
	list := make([]eventstore.NewEvent, n)
	for i := range list {
		list[i].Payload = noted{N: i, Text: text}
	}
	return list
}

// benchmarkAppend spreads b.N appends over workers, each with a stream of its own.
func benchmarkAppend(b *testing.B, store *eventstore.Store, workers, events int) {
	batch := benchEvents(events)
	var begun atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range workers {
		wg.Go(func() {
			stream := driver.StreamID{Type: "bench", ID: uuid.NewString()}
			for begun.Add(1) <= int64(b.N) {
				if _, err := store.Append(b.Context(), stream, eventstore.Any, batch...); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}

func fill(b *testing.B, store *eventstore.Store, n int) driver.StreamID {
	b.Helper()
	stream := driver.StreamID{Type: "bench", ID: "1"}
	for n > 0 {
		batch := benchEvents(min(n, 1000))
		if _, err := store.Append(b.Context(), stream, eventstore.Any, batch...); err != nil {
			b.Fatal(err)
		}
		n -= len(batch)
	}
	return stream
}

func benchmarkLoad(b *testing.B, store *eventstore.Store, n int) {
	stream := fill(b, store, n)
	growth := heapGrowth()
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		for _, err := range store.Stream(b.Context(), stream, nil) {
			if err != nil {
				b.Fatal(err)
			}
			if got++; got%100_000 == 0 {
				growth()
			}
		}
		if got != n {
			b.Fatalf("%d of %d events", got, n)
		}
	}
	if n >= 100_000 {
		b.ReportMetric(growth()/(1<<20), "peak-MB")
	}
}

// heapGrowth returns a function that returns the most that the heap, without garbage, has grown at any call until now,
// in bytes.
func heapGrowth() func() float64 {
	before, most := heap(), 0.0
	return func() float64 {
		most = max(most, heap()-before)
		return most
	}
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func benchmarkReadAll(b *testing.B, store *eventstore.Store, n int) {
	fill(b, store, n)
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		for _, err := range store.All(b.Context(), 0, nil) {
			if err != nil {
				b.Fatal(err)
			}
			got++
		}
		if got != n {
			b.Fatalf("%d of %d events", got, n)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
}
