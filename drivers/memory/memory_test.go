package memory_test

import (
	"context"
	"testing"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

// open returns a database whose second handle is the same Store: closing one does nothing, and there is no other way to
// what it holds.
func open(context.Context) (*drivertest.Database, error) {
	store := memory.New()
	return &drivertest.Database{
		Store:  store,
		Reopen: func(context.Context) (driver.Store, error) { return store, nil },
	}, nil
}

func TestConformance(t *testing.T) { drivertest.Run(t, open) }
