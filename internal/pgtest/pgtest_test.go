package pgtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func connect(t *testing.T, dsn string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.ConnectContext(t.Context(), "postgres", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() }) // an error tells of connections that a test has cut
	return db
}

// binaries returns where Postgres' programs are, or skips the test.
func binaries(t *testing.T) string {
	t.Helper()
	dir, err := pgtest.Find()
	if err != nil {
		t.Skip(err)
	}
	return dir
}

func get[T any](t *testing.T, db *sqlx.DB, query string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, db.GetContext(t.Context(), &v, query, args...))
	return v
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

func TestADatabaseGoesWithItsTestEvenIfSomebodyIsConnected(t *testing.T) {
	t.Parallel()
	db := connect(t, pgtest.DSN(t))
	var name string
	var left *sqlx.DB
	t.Run("a test that forgets to disconnect", func(t *testing.T) {
		var err error
		left, err = sqlx.ConnectContext(t.Context(), "postgres", pgtest.DSN(t))
		require.NoError(t, err)
		name = get[string](t, left, `SELECT current_database()`)
	})
	require.Error(t, left.PingContext(t.Context()))
	require.NoError(t, left.Close())
	require.Zero(t, get[int](t, db, `SELECT count(*) FROM pg_database WHERE datname = $1`, name))
}

func TestAnAddressIsUnderstoodByBothDrivers(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	name := get[string](t, connect(t, dsn), `SELECT current_database()`)
	db, err := sqlx.ConnectContext(t.Context(), "pgx", dsn)
	require.NoError(t, err)
	defer db.Close()
	require.Equal(t, name, get[string](t, db, `SELECT current_database()`))
}

func TestAnAddressIsUnderstoodByPostgresOwnPrograms(t *testing.T) {
	t.Parallel()
	dsn, bin := pgtest.DSN(t), binaries(t)
	name := get[string](t, connect(t, dsn), `SELECT current_database()`)
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "psql"), "--tuples-only", "--no-align",
		"--command=SELECT current_database()", "--dbname="+dsn).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, name+"\n", string(out))
}

func TestAServerThatIsGivenIsTheOneThatIsUsed(t *testing.T) {
	c := pgtest.StartCluster(t, nil)
	t.Setenv(pgtest.Env, c.DSN("postgres"))
	dir := get[string](t, connect(t, pgtest.DSN(t)), `SHOW unix_socket_directories`)
	require.Equal(t, c.Dir(), dir)
}

func TestAServerThatIsGivenAndDoesNotWorkFailsTheTest(t *testing.T) {
	for given, complaint := range map[string]string{
		"postgres://x@/x?host=" + t.TempDir(): "CREATE DATABASE",
		"host=localhost":                      "is not a URL",
	} {
		t.Setenv(pgtest.Env, given)
		failed := &recorder{TB: t}
		require.Panics(t, func() { pgtest.DSN(failed) })
		require.Contains(t, failed.fatal, complaint)
	}
}

func TestWithoutPostgresATestIsSkippedWithTheReason(t *testing.T) {
	skipped := &recorder{TB: t}
	require.Panics(t, func() { pgtest.Need(skipped, fmt.Errorf("looking: %w", pgtest.ErrNoPostgres)) })
	require.Contains(t, skipped.skip, "apt-get install postgresql")
}

func TestAClusterKeepsWhatWasCommittedWhenItIsKilled(t *testing.T) {
	t.Parallel()
	c := pgtest.StartCluster(t, map[string]string{"fsync": "on", "full_page_writes": "on"})
	dsn := c.DSN("postgres")
	_, err := connect(t, dsn).ExecContext(t.Context(), `CREATE TABLE kept AS SELECT 42 AS n`)
	require.NoError(t, err)
	for _, end := range []func() error{c.Kill, c.Stop, c.Kill} {
		require.NoError(t, end())
		require.Error(t, end())
		require.NoError(t, c.Start(t.Context()))
		require.Error(t, c.Start(t.Context()))
		require.Equal(t, dsn, c.DSN("postgres"))
		require.Equal(t, 42, get[int](t, connect(t, dsn), `SELECT n FROM kept`))
	}
}

func TestAKilledClusterTakesItsSessionsWithIt(t *testing.T) {
	t.Parallel()
	c := pgtest.StartCluster(t, nil)
	db := connect(t, c.DSN("postgres"))
	begun := time.Now()
	asleep := make(chan error, 1)
	go func() {
		_, err := db.Exec(`CREATE TABLE begun AS SELECT 1 AS n FROM pg_sleep(600)`)
		asleep <- err
	}()
	require.Eventually(t, func() bool {
		return get[int](t, db, `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`) == 1
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, c.Kill())
	require.Error(t, <-asleep)
	require.NoError(t, c.Start(t.Context()))
	require.Less(t, time.Since(begun), 30*time.Second)
	require.Zero(t, get[int](t, db, `SELECT count(*) FROM pg_class WHERE relname = 'begun'`))
}

func TestSettingsGoOverThoseOfAThrowAwayCluster(t *testing.T) {
	t.Parallel()
	c := pgtest.StartCluster(t, map[string]string{"fsync": "on", "application_name": "it's"})
	db := connect(t, c.DSN("postgres"))
	require.Equal(t, "on", get[string](t, db, `SHOW fsync`))
	require.Equal(t, "off", get[string](t, db, `SHOW full_page_writes`))
	require.Equal(t, "it's", get[string](t, db, `SHOW application_name`))
}

func TestABadSettingIsReportedInTheServersOwnWords(t *testing.T) {
	t.Parallel()
	binaries(t)
	_, err := pgtest.NewCluster(t.Context(), "", map[string]string{"max_connections": "many"})
	require.ErrorContains(t, err, `invalid value for parameter "max_connections"`)
}

func TestAClosedClusterLeavesNothingBehind(t *testing.T) {
	binaries(t)
	for name, before := range map[string]func(*pgtest.Cluster) error{
		"running": func(*pgtest.Cluster) error { return nil },
		"killed":  (*pgtest.Cluster).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := pgtest.NewCluster(t.Context(), "", nil)
			require.NoError(t, err)
			require.NoError(t, before(c))
			require.DirExists(t, c.Dir())
			require.NoError(t, c.Close())
			require.NoDirExists(t, c.Dir())
		})
	}
}

// recorder ends a test by a panic and keeps the reason.
type recorder struct {
	testing.TB
	fatal, skip string
}

func (r *recorder) Fatal(args ...any) {
	r.fatal = fmt.Sprint(args...)
	panic(r.fatal)
}

func (r *recorder) Skip(args ...any) {
	r.skip = fmt.Sprint(args...)
	panic(r.skip)
}

// TestMain lets the test binary serve as the process that is killed.
func TestMain(m *testing.M) {
	if os.Getenv(victim) != "" {
		serve()
	}
	os.Exit(m.Run())
}
