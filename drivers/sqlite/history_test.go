package sqlite_test

import (
	"testing"

	"github.com/tidemark-go/tidemark/eventstore/drivertest"
	"github.com/tidemark-go/tidemark/internal/torture"
)

func TestHistoriesInFile(t *testing.T)   { histories(t, openFile) }
func TestHistoriesInMemory(t *testing.T) { histories(t, openMemory) }

func histories(t *testing.T, open drivertest.Opener) {
	drivertest.RunHistories(t, open, &drivertest.HistoryOptions{Duration: torture.Length(t, 0)})
}
