package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func TestATransactionAndTheLog(t *testing.T) {
	t.Run("is not handed its own events, nor anything after them", func(t *testing.T) {
		s := fresh(t)
		commit(t, t.Context(), s, appends(order("a"), driver.Any, 2))
		tx := begin(t, s)
		tx.do(func(ctx context.Context) { require.Len(t, readAll(t, ctx, s, 0).Records, 2) })
		tx.commit(s, appends(order("b"), driver.Any, 2))
		commit(t, t.Context(), s, appends(order("c"), driver.Any, 1))
		tx.do(func(ctx context.Context) { require.Len(t, readAll(t, ctx, s, 0).Records, 2) })
		tx.commits()
		require.Len(t, readAll(t, t.Context(), s, 0).Records, 5)
	})
	for _, isolation := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		t.Run("is refused in "+isolation, func(t *testing.T) {
			s := fresh(t)
			commit(t, t.Context(), s, appends(order("a"), driver.Any, 2))
			readAll(t, t.Context(), s, 0)
			tx := begin(t, s)
			tx.exec(`SET TRANSACTION ISOLATION LEVEL ` + isolation)
			tx.do(func(ctx context.Context) {
				_, err := s.ReadAll(ctx, driver.AllQuery{Limit: 1, MaxBytes: 1})
				require.ErrorContains(t, err, "read the log outside of it")
			})
			receipt := tx.commit(s, appends(order("a"), driver.Any, 1))
			require.Equal(t, int64(3), receipt.Version, "appending works")
			tx.commits()
		})
	}
	t.Run("in REPEATABLE READ loses the race for a stream that has grown", func(t *testing.T) {
		s := fresh(t)
		tx := begin(t, s)
		tx.exec(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`)
		tx.do(func(ctx context.Context) { require.Empty(t, readStream(t, ctx, s, order("a"))) })
		commit(t, t.Context(), s, appends(order("a"), driver.Any, 1))
		var err error
		tx.do(func(ctx context.Context) {
			_, err = s.Commit(ctx, []driver.Write{appends(order("a"), driver.Any, 1)})
		})
		require.ErrorIs(t, err, driver.ErrRace)
		require.ErrorContains(t, err, "append to order-a: lost a race with another writer, who may not be visible to this transaction: "+
			"under REPEATABLE READ and SERIALIZABLE only a new one can win")
		tx.commit(s, appends(order("b"), driver.Any, 1))
		tx.commits()
	})
	t.Run("takes few locks for many appends", func(t *testing.T) {
		s := fresh(t)
		s.DB().MustExec(`CREATE TABLE other (n int)`)
		tx := begin(t, s)
		for i := range 600 {
			tx.commit(s, appends(order(newID().String()), driver.NoStream, 1+i%2))
		}
		require.Less(t, get[int](t, s.DB(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`), 300)
		tx.commits()
		require.Len(t, readAll(t, t.Context(), s, 0).Records, 900)
	})
}

func TestAPoolOfOneConnection(t *testing.T) {
	s := open(t, pgtest.DSN(t), &postgres.Options{MaxConns: 1})
	tx := begin(t, s)
	tx.commit(s, appends(order("a"), driver.Any, 1))
	tx.commit(s, appends(order("a"), driver.Any, 2))
	tx.do(func(ctx context.Context) {
		require.Len(t, readStream(t, ctx, s, order("a")), 3)
		require.NoError(t, s.SaveCheckpoint(ctx, "p", 0, 1, event("").RecordedAt))
		require.Empty(t, readAll(t, ctx, s, 0).Records)
	})
	tx.commits()
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 3)
}
