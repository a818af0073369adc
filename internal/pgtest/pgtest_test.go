package pgtest_test

import (
	"fmt"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func connect(t *testing.T, dsn string) *sqlx.DB {
	db, err := sqlx.ConnectContext(t.Context(), "postgres", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := connect(t, pgtest.DSN(t))
			_, err := db.ExecContext(t.Context(), `CREATE TABLE mine (n int)`)
			require.NoError(t, err)
		})
	}
}

func TestAClusterKeepsWhatWasCommittedWhenItIsKilled(t *testing.T) {
	c := pgtest.StartCluster(t, map[string]string{"fsync": "on", "full_page_writes": "on"})
	dsn := c.DSN("postgres")
	_, err := connect(t, dsn).ExecContext(t.Context(), `CREATE TABLE kept AS SELECT 42 AS n`)
	require.NoError(t, err)
	for _, end := range []func() error{c.Kill, c.Stop} {
		require.NoError(t, end())
		require.Error(t, end())
		require.NoError(t, c.Start(t.Context()))
		require.Error(t, c.Start(t.Context()))
		require.Equal(t, dsn, c.DSN("postgres"))
		var n int
		require.NoError(t, connect(t, dsn).GetContext(t.Context(), &n, `SELECT n FROM kept`))
		require.Equal(t, 42, n)
	}
}

func TestABadSettingIsReportedInTheServersOwnWords(t *testing.T) {
	if _, err := pgtest.Find(); err != nil {
		t.Skip(err)
	}
	_, err := pgtest.NewCluster(t.Context(), map[string]string{"max_connections": "many"})
	require.ErrorContains(t, err, "max_connections")
}

func TestAServerThatIsNoURLIsRefused(t *testing.T) {
	t.Setenv(pgtest.Env, "host=localhost")
	failed := &recorder{TB: t}
	require.Panics(t, func() { pgtest.DSN(failed) })
	require.Contains(t, failed.text, "is not a URL")
}

// recorder ends a test by a panic and keeps the reason.
type recorder struct {
	testing.TB
	text string
}

func (r *recorder) Fatal(args ...any) {
	r.text = fmt.Sprint(args...)
	panic(r.text)
}
