package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
)

// TestBehindAProxyWithPQ has the whole suite in a torture only: what it adds to TestConformance is that lib/pq and the proxy
// go together, and the model test goes through all calls.
func TestBehindAProxyWithPQ(t *testing.T) {
	direct := pgtest.DSN(t)
	open := behind(startProxy(t, direct), func(ctx context.Context, dsn, schema string) (driver.Store, func() error, error) {
		s, err := postgres.Open(ctx, dsn, &postgres.Options{Schema: schema, Unprepared: true, ListenDSN: direct})
		return s, nothing, err
	})
	t.Run("model", func(t *testing.T) { drivertest.RunModel(t, openReference, open) })
	if torture.Long() {
		t.Run("suite", func(t *testing.T) { drivertest.Run(t, open) })
	}
}

// The server scans whole tables, as it does anyway while they are small and it knows.
func TestConformanceBehindAProxyWithPGX(t *testing.T) {
	direct := pgtest.DSN(t)
	for _, means := range []string{"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan", "jit"} {
		require.NoError(t, execute(t.Context(), direct, `DO $$ BEGIN
			EXECUTE format('ALTER DATABASE %I SET `+means+` = off', current_database()); END $$`))
	}
	drivertest.Run(t, behind(startProxy(t, direct), func(ctx context.Context, dsn, schema string) (driver.Store, func() error, error) {
		return newPGX(ctx, with(dsn, "default_query_exec_mode", "exec"), &postgres.Options{Schema: schema, Unprepared: true, ListenDSN: direct})
	}))
}

func TestPreparedStatementsDontWorkBehindTheProxy(t *testing.T) {
	proxy := startProxy(t, pgtest.DSN(t))
	s, err := postgres.Open(t.Context(), proxy, &postgres.Options{Unprepared: true})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s = open(t, proxy, &postgres.Options{NoMigrate: true})
	for err == nil {
		_, err = s.Commit(t.Context(), []driver.Write{appends(order("a"), driver.Any, 1)})
	}
	require.Error(t, err, "so the suite above proves something")
}

// behind leaves out what the suite does past the store.
func behind(proxy string, open openStore) drivertest.Opener {
	inner := opener(proxy, open)
	return func(ctx context.Context) (*drivertest.Database, error) {
		db, err := inner(ctx)
		if db != nil {
			db.Disconnect, db.Restore, db.Damage = nil, nil, nil
		}
		return db, err
	}
}
