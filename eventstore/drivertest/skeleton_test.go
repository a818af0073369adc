package drivertest_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

// mydb stands for the package of a driver in docs/drivers.md. Its files are in memory.
var mydb = struct {
	Open func(ctx context.Context, path string) (driver.Store, error)
}{
	Open: func() func(context.Context, string) (driver.Store, error) {
		var files sync.Map
		return func(_ context.Context, path string) (driver.Store, error) {
			file, _ := files.LoadOrStore(path, memory.New())
			return file.(*memory.Store), nil
		}
	}(),
}

func open(t testing.TB) drivertest.Opener {
	return func(ctx context.Context) (*drivertest.Database, error) {
		path := filepath.Join(t.TempDir(), "events.db")
		reopen := func(ctx context.Context) (driver.Store, error) { return mydb.Open(ctx, path) }
		store, err := reopen(ctx)
		return &drivertest.Database{Store: store, Reopen: reopen, OneWriter: true}, err
	}
}

func openReference(context.Context) (*drivertest.Database, error) {
	return &drivertest.Database{Store: memory.New()}, nil
}

func TestConformance(t *testing.T)      { drivertest.Run(t, open(t)) }
func TestModel(t *testing.T)            { drivertest.RunModel(t, openReference, open(t)) }
func TestHistories(t *testing.T)        { drivertest.RunHistories(t, open(t), nil) }
func BenchmarkConformance(b *testing.B) { drivertest.Benchmark(b, open(b)) }
