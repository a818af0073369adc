package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestPatienceOf(t *testing.T) {
	t.Run("is the default where the environment says nothing", func(t *testing.T) {
		t.Setenv(patienceVariable, "")
		require.Equal(t, defaultPatience, patienceOf(t))
	})
	t.Run("is what the environment says", func(t *testing.T) {
		t.Setenv(patienceVariable, "5s")
		require.Equal(t, 5*time.Second, patienceOf(t))
	})
}

// bare is a driver without capabilities.
type bare struct{ driver.Store }

func TestCompareSaysWhatItLeftOut(t *testing.T) {
	open := func(store driver.Store) Opener {
		return func(context.Context) (*Database, error) { return &Database{Store: store}, nil }
	}
	leftOut, err := compare(t.Context(), 1, open(memory.New()), open(bare{memory.New()}), defaultPatience)
	require.NoError(t, err)
	require.Equal(t, "not compared: driver 1 of 2 has no driver.Transactor, driver 2 of 2 has no driver.Snapshotter, "+
		"driver 2 of 2 has no driver.Checkpointer, driver 2 of 2 has no driver.Transactor", leftOut)
}
