package drivertest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

func openMemory(context.Context) (*drivertest.Database, error) {
	return &drivertest.Database{Store: memory.New()}, nil
}

func TestRunModel(t *testing.T) {
	t.Run("memory and toy", func(t *testing.T) { drivertest.RunModel(t, openMemory, openToy) })
	t.Run("many writers and one, with transactions", func(t *testing.T) { drivertest.RunModel(t, openToy, openOneWriter) })
}

// Of some histories at least one must find each mistake.
func TestCompareFindsBrokenDrivers(t *testing.T) {
	for _, f := range modelFlaws() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			err := compare(t, openToy, f.open)
			require.ErrorContains(t, err, f.catches[0].says)
		})
	}
}

func compare(t *testing.T, a, b drivertest.Opener) error {
	for seed := range uint64(30) {
		if err := drivertest.Compare(t.Context(), seed, a, b); err != nil {
			return err
		}
	}
	return nil
}
