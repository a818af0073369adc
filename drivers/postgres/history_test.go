package postgres_test

import (
	"testing"

	"github.com/tidemark-go/tidemark/eventstore/drivertest"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func TestHistoriesWithPQ(t *testing.T) {
	drivertest.RunHistories(t, opener(pgtest.DSN(t), openPQ), nil)
}

func TestHistoriesWithPGX(t *testing.T) {
	drivertest.RunHistories(t, opener(pgtest.DSN(t), openPGX), nil)
}
