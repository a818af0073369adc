package drivertest_test

import (
	"context"
	"slices"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

// unguarded looks at a stream's version first and appends then. Nothing keeps others out in between.
type unguarded struct{ driver.Store }

func (s unguarded) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	trusting := slices.Clone(writes)
	for i, w := range writes {
		last, err := s.ReadStream(ctx, driver.StreamQuery{Stream: w.Stream, From: 1, Backward: true, Limit: 1, MaxBytes: 1})
		if err != nil {
			return nil, err
		}
		version := int64(0)
		if len(last) > 0 {
			version = last[0].Version
		}
		if !w.Expected.Met(version) {
			return s.Store.Commit(ctx, writes) // which tells a conflict from a duplicate
		}
		trusting[i].Expected = driver.Any
	}
	return s.Store.Commit(ctx, trusting)
}

func openUnguarded(context.Context) (*drivertest.Database, error) {
	return &drivertest.Database{Store: unguarded{memory.New()}}, nil
}
