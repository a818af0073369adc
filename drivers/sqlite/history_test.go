package sqlite_test

import (
	"testing"

	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

func TestHistoriesInFile(t *testing.T)   { drivertest.RunHistories(t, openFile, nil) }
func TestHistoriesInMemory(t *testing.T) { drivertest.RunHistories(t, openMemory, nil) }
