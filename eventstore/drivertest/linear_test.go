package drivertest_test

import (
	"testing"

	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

func TestRunHistories(t *testing.T) {
	for name, open := range map[string]drivertest.Opener{"memory": openMemory, "toy": openToy, "toy with one writer": openOneWriter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.RunHistories(t, open, nil)
		})
	}
}
