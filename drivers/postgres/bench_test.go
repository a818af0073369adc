package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// BenchmarkAppend compares appends with the least that could store the same row: an INSERT of one row with a version
// and a position that the caller makes up, into a table of the same columns and indexes.
func BenchmarkAppend(b *testing.B) {
	s := open(b, pgtest.DSN(b), &postgres.Options{NotifyInterval: -1})
	_, err := s.DB().Exec(`CREATE TABLE bare (LIKE tidemark.events INCLUDING ALL)`)
	require.NoError(b, err)
	insert, err := s.DB().Prepare(`INSERT INTO bare (id, stream_id, stream_type, event_type, schema_version, content_type,
		event_data, metadata, version, global_position, created_at, append_size)
		VALUES ($1, $2, 'order', $3, 1, $4, $5, $6, 1, $7, $8, 1)`)
	require.NoError(b, err)
	var position atomic.Int64
	bare := func(ctx context.Context, e driver.Event) error {
		_, err := insert.ExecContext(ctx, e.ID.String(), e.ID.String(), e.Type, e.ContentType, string(e.Data), string(e.Metadata),
			position.Add(1), e.RecordedAt)
		return err
	}
	events := func(n int) func(ctx context.Context, e driver.Event) error {
		return func(ctx context.Context, e driver.Event) error {
			w := appends(order(e.ID.String()), driver.NoStream, n)
			w.Events[0] = e
			_, err := s.Commit(ctx, []driver.Write{w})
			return err
		}
	}
	streams := func(ctx context.Context, e driver.Event) error {
		one, two := appends(order(e.ID.String()), driver.NoStream, 1), appends(order("2-"+e.ID.String()), driver.NoStream, 1)
		_, err := s.Commit(ctx, []driver.Write{one, two})
		return err
	}
	for _, goroutines := range []int{1, 8} {
		b.Run(fmt.Sprintf("bare insert/%d", goroutines), func(b *testing.B) { measure(b, goroutines, bare) })
		b.Run(fmt.Sprintf("1 event/%d", goroutines), func(b *testing.B) { measure(b, goroutines, events(1)) })
		b.Run(fmt.Sprintf("2 events/%d", goroutines), func(b *testing.B) { measure(b, goroutines, events(2)) })
		b.Run(fmt.Sprintf("2 streams/%d", goroutines), func(b *testing.B) { measure(b, goroutines, streams) })
		b.Run(fmt.Sprintf("100 events/%d", goroutines), func(b *testing.B) { measure(b, goroutines, events(100)) })
	}
}

func measure(b *testing.B, goroutines int, f func(ctx context.Context, e driver.Event) error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(b.Context(), event(payload)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkRead reads pages of 500 from a log of 50,000 events.
func BenchmarkRead(b *testing.B) {
	s := open(b, pgtest.DSN(b), nil)
	const n, page = 50_000, 500
	for range n / 1000 {
		_, err := s.Commit(b.Context(), []driver.Write{appends(order("a"), driver.Any, 1000)})
		require.NoError(b, err)
	}
	b.Run("log", func(b *testing.B) {
		after := int64(0)
		for b.Loop() {
			p, err := s.ReadAll(b.Context(), driver.AllQuery{After: after % (n - page), Limit: page, MaxBytes: 1 << 22})
			require.NoError(b, err)
			require.Len(b, p.Records, page)
			after = p.Next
		}
		b.ReportMetric(float64(b.N*page)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("stream", func(b *testing.B) {
		for b.Loop() {
			records, err := s.ReadStream(b.Context(), driver.StreamQuery{Stream: order("a"), From: 1, Limit: page, MaxBytes: 1 << 22})
			require.NoError(b, err)
			require.Len(b, records, page)
		}
		b.ReportMetric(float64(b.N*page)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("head", func(b *testing.B) {
		for b.Loop() {
			_, err := s.ReadAll(b.Context(), driver.AllQuery{MaxBytes: 1})
			require.NoError(b, err)
		}
	})
}
