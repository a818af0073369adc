package postgres_test

import (
	"context"
	"testing"

	"github.com/tidemark-go/tidemark/drivers/memory"
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

func openReference(context.Context) (*drivertest.Database, error) {
	return &drivertest.Database{Store: memory.New()}, nil
}
