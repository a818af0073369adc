package drivertest_test

import (
	"context"
	"testing"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

func sound(h *toyHandle) driver.Store { return h }

func openToy(context.Context) (*drivertest.Database, error) { return newToy().database(sound), nil }

func openOneWriter(context.Context) (*drivertest.Database, error) {
	db := newToy()
	db.oneWriter = true
	return db.database(sound), nil
}

func TestRun(t *testing.T) {
	t.Run("a sound driver of many writers passes", func(t *testing.T) { drivertest.Run(t, openToy) })
	t.Run("a sound driver of one writer passes", func(t *testing.T) { drivertest.Run(t, openOneWriter) })
}
