package sqlite_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const secondConnection = "a second one would be another, empty database"

func TestADatabaseInMemoryGetsNoSecondConnection(t *testing.T) {
	s := open(t, ":memory:", nil)
	s.DB().SetMaxOpenConns(4)
	first, err := s.DB().Connx(t.Context())
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), []driver.Write{appends(order("1"), driver.NoStream, 1)})
	require.ErrorContains(t, err, secondConnection)
	require.ErrorContains(t, err, "sqlite: append (:memory:)")
	_, err = s.DB().Exec(`CREATE TABLE mine (n INTEGER)`)
	require.ErrorContains(t, err, secondConnection)
	require.NoError(t, first.Close())
	commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
}

func TestADatabaseInMemorySaysThatItsConnectionIsGone(t *testing.T) {
	s := open(t, ":memory:", nil)
	s.DB().SetMaxIdleConns(-1)
	_, err := s.Commit(t.Context(), []driver.Write{appends(order("1"), driver.NoStream, 1)})
	require.ErrorContains(t, err, secondConnection)
}

// What DB's comment says: nothing but the context ends this wait.
func TestAStatementOnDBInsideATransactionWaitsUntilItsContextEnds(t *testing.T) {
	s := open(t, inFile(t), &sqlite.Options{BusyTimeout: 50 * time.Millisecond})
	require.NoError(t, in(t.Context(), s, func(context.Context) error {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := s.DB().ExecContext(ctx, `CREATE TABLE mine (n INTEGER)`)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return nil
	}))
}
