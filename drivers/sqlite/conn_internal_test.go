package sqlite

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestAStatementThatSQLiteRefusesWithoutWaitingIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		err := patiently(t.Context(), time.Second, func() error {
			tries++
			return sqlite3.Error{Code: sqlite3.ErrBusy}
		})
		require.ErrorIs(t, explained(t.Context(), err), driver.ErrUnavailable)
		require.InDelta(t, time.Second/nap, tries, 3)
		require.InDelta(t, time.Second, time.Since(began), float64(2*nap))
	})
}
