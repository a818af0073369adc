package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// requireClean checks that the writer's connection is the one it was and has no transaction open.
func requireClean(t *testing.T, s *sqlite.Store) {
	t.Helper()
	c, err := s.DB().Connx(t.Context())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Raw(func(raw any) error {
		require.True(t, raw.(interface{ AutoCommit() bool }).AutoCommit(), "a transaction was left open")
		return nil
	}))
}

// Contexts end at any moment of any call: the caller is told the truth, and nothing is left behind.
func TestCancellation(t *testing.T) {
	each(t, &sqlite.Options{Synchronous: sqlite.Normal}, func(t *testing.T, s *sqlite.Store) {
		s.DB().MustExec(`CREATE TABLE orders (id TEXT PRIMARY KEY, total INTEGER)`)
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		calls := []func(ctx context.Context, id string) error{
			func(ctx context.Context, id string) error {
				_, err := s.Commit(ctx, []driver.Write{appends(order(id), driver.NoStream, 1)})
				return err
			},
			func(ctx context.Context, id string) error {
				_, err := s.Commit(ctx, []driver.Write{appends(order(id), driver.Any, 100)})
				return err
			},
			func(ctx context.Context, id string) error {
				return in(ctx, s, func(ctx context.Context) error {
					if _, err := s.Commit(ctx, []driver.Write{appends(order(id), driver.NoStream, 1)}); err != nil {
						return err
					}
					tx, _ := sqltx.From(ctx)
					_, err := tx.ExecContext(ctx, `INSERT INTO orders VALUES (?, 1)`, id)
					return err
				})
			},
			func(ctx context.Context, id string) error {
				tx, err := s.DB().BeginTxx(ctx, nil)
				if err != nil {
					return err
				}
				defer func() { _ = tx.Rollback() }()
				if _, err := tx.ExecContext(ctx, `INSERT INTO orders VALUES (?, 1)`, id); err != nil {
					return err
				}
				return tx.Commit()
			},
		}
		for i := range 400 {
			id := fmt.Sprint(i)
			call := random.IntN(len(calls))
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(400))*time.Microsecond)
			err := calls[call](ctx, id)
			cancel()
			if err != nil && !errors.Is(err, sql.ErrTxDone) {
				require.ErrorIs(t, err, context.DeadlineExceeded, "seed %d, call %d", seed, call)
			}
			requireClean(t, s)
			stored := len(readStream(t, t.Context(), s, order(id)))
			if call == 3 {
				require.NoError(t, s.DB().Get(&stored, `SELECT count(*) FROM orders WHERE id = ?`, id))
			}
			require.Equal(t, err == nil, stored > 0, "seed %d, call %d: %d events are stored after error %v", seed, call, stored, err)
		}
	})
}
