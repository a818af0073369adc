package sqlite_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const linePayload = `{"sku":"85123A","quantity":6,"price":255,"description":"WHITE HANGING HEART T-LIGHT HOLDER"}`

// databases runs a benchmark on what Open offers.
func databases(b *testing.B, run func(b *testing.B, s *sqlite.Store)) {
	for _, mode := range []struct {
		name string
		opts sqlite.Options
	}{
		{"full", sqlite.Options{}},
		{"normal", sqlite.Options{Synchronous: sqlite.Normal}},
		{"memory", sqlite.Options{}},
	} {
		b.Run(mode.name, func(b *testing.B) {
			path := ":memory:"
			if mode.name != "memory" {
				path = inFile(b)
			}
			b.ReportAllocs()
			run(b, open(b, path, &mode.opts))
		})
	}
}

// BenchmarkCommit appends to streams of ten.
func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct {
		name   string
		events int
		any    bool
	}{{"one event", 1, false}, {"one event at any version", 1, true}, {"ten events", 10, false}, {"1000 events", 1000, false}} {
		b.Run(c.name, func(b *testing.B) {
			databases(b, func(b *testing.B, s *sqlite.Store) {
				for i := 0; b.Loop(); i++ {
					w := appends(order(fmt.Sprint(i/10)), driver.ExpectedVersion(i%10*c.events), c.events)
					w.Events[0].Data = []byte(linePayload)
					if c.any {
						w.Expected = driver.Any
					}
					commit(b, b.Context(), s, w)
				}
			})
		})
	}
}

// BenchmarkRaw is what BenchmarkCommit's single event is measured by: go-sqlite3 with a prepared INSERT into the same
// table, in a transaction, without any check.
func BenchmarkRaw(b *testing.B) {
	for _, mode := range []string{"full", "normal", "memory"} {
		b.Run(mode, func(b *testing.B) {
			b.ReportAllocs()
			path := inFile(b)
			dsn := "file:" + path + "?_txlock=immediate&_synchronous=" + mode
			if mode == "memory" {
				rawInserts(b, open(b, ":memory:", nil).DB())
				return
			}
			open(b, path, nil) // makes the table
			db := sqlx.MustOpen("sqlite3", dsn)
			defer db.Close()
			rawInserts(b, db)
		})
	}
}

func rawInserts(b *testing.B, db *sqlx.DB) {
	insert, err := db.Prepare(`INSERT INTO events (id, stream_type, stream_id, version, event_type, schema_version,
		content_type, created_at, append_size, event_data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	require.NoError(b, err)
	for i := 0; b.Loop(); i++ {
		tx, err := db.Begin()
		require.NoError(b, err)
		_, err = tx.Stmt(insert).Exec(uuid.Must(uuid.NewV7()).String(), "order", fmt.Sprint(i/10), i%10+1, "order.placed", 1,
			"application/json", time.Now().UnixMicro(), 1, linePayload)
		require.NoError(b, err)
		require.NoError(b, tx.Commit())
	}
}

func BenchmarkCommitInTransaction(b *testing.B) {
	databases(b, func(b *testing.B, s *sqlite.Store) {
		for i := 0; b.Loop(); i++ {
			require.NoError(b, in(b.Context(), s, func(ctx context.Context) error {
				commit(b, ctx, s, appends(order(fmt.Sprint(i/10)), driver.ExpectedVersion(i%10), 1))
				return nil
			}))
		}
	})
}

func BenchmarkReadAll(b *testing.B) {
	databases(b, func(b *testing.B, s *sqlite.Store) {
		for i := range 10 {
			commit(b, b.Context(), s, appends(order(fmt.Sprint(i)), driver.NoStream, 100))
		}
		records := 0
		for b.Loop() {
			records += len(readAll(b, b.Context(), s, 500).Records)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
	})
}

func BenchmarkReadStream(b *testing.B) {
	databases(b, func(b *testing.B, s *sqlite.Store) {
		for i := range 10 {
			commit(b, b.Context(), s, appends(order(fmt.Sprint(i)), driver.NoStream, 100))
		}
		for b.Loop() {
			require.Len(b, readStream(b, b.Context(), s, order("5")), 100)
		}
	})
}
