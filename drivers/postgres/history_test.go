package postgres_test

import (
	"testing"

	"github.com/tidemark-go/tidemark/eventstore/drivertest"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
)

func TestHistoriesWithPQ(t *testing.T)  { histories(t, openPQ) }
func TestHistoriesWithPGX(t *testing.T) { histories(t, openPGX) }

func histories(t *testing.T, open openStore) {
	drivertest.RunHistories(t, opener(pgtest.DSN(t), open), &drivertest.HistoryOptions{Duration: torture.Length(t, 0)})
}
