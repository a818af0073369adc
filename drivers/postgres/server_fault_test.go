package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// The whole server hangs for a while. Calls end with their contexts, and afterwards everything that was begun is there once.
func TestAServerThatHangs(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]openStore{"lib pq": openPQ, "pgx": openPGX} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := pgtest.StartCluster(t, nil)
			opened, done, err := open(t.Context(), with(cluster.DSN("postgres"), "connect_timeout", "2"), "tidemark")
			require.NoError(t, err)
			s := opened.(*postgres.Store)
			defer func() { require.NoError(t, errors.Join(s.Close(), done())) }()
			require.NoError(t, cluster.Pause())
			writes := make([]driver.Write, 40)
			var calls sync.WaitGroup
			for i := range writes {
				writes[i] = appends(order(fmt.Sprint(i)), driver.NoStream, 2)
				calls.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					defer cancel()
					_, err := s.Commit(ctx, writes[i:i+1])
					assertIs(t, err, context.DeadlineExceeded, "append")
				})
			}
			calls.Wait()
			require.NoError(t, cluster.Resume())
			for i := range writes {
				calls.Go(func() {
					err := insist(func() error { _, err := s.Commit(t.Context(), writes[i:i+1]); return err })
					if err != nil && !isDuplicate(err) {
						t.Errorf("append again: %v", err)
					}
				})
			}
			calls.Wait()
			require.Len(t, readAll(t, t.Context(), s, 0).Records, 2*len(writes))
			requireSound(t, s)
		})
	}
}
