package postgres_test

import (
	"context"
	"testing"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func TestModelWithPQ(t *testing.T) {
	drivertest.RunModel(t, openReference, opener(pgtest.DSN(t), openPQ))
}

func TestModelWithPGX(t *testing.T) {
	drivertest.RunModel(t, openReference, opener(pgtest.DSN(t), openPGX))
}

func BenchmarkDriver(b *testing.B) {
	drivertest.Benchmark(b, opener(pgtest.DSN(b), openPQ))
}

// openReference is SQLite, since memory has no transactions.
func openReference(ctx context.Context) (*drivertest.Database, error) {
	s, err := sqlite.Open(ctx, ":memory:", nil)
	return &drivertest.Database{Store: s, OneWriter: true, OneConnection: true}, err
}
