package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestOpen(t *testing.T) {
	for _, name := range []string{"a b.db", "what?.db", "50%41.db", "a#b.db", "ünïcødé 🌊.db", "a&_query_only=1.db", "it's.db"} {
		t.Run("opens, and finds again, the path "+name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s, err := sqlite.Open(t.Context(), path, nil)
			require.NoError(t, err)
			commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
			require.NoError(t, s.Close())
			require.FileExists(t, path)
			require.Len(t, readStream(t, t.Context(), open(t, path, nil), order("1")), 1)
			entries, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			for _, e := range entries {
				require.Contains(t, []string{name, name + "-wal", name + "-shm"}, e.Name())
			}
		})
	}
	t.Run("makes the file that a link in a linked directory leads to", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "disk", "links"), 0o700))
		require.NoError(t, os.Symlink(filepath.Join("disk", "links"), filepath.Join(dir, "links")))
		path := filepath.Join(dir, "links", "events.db")
		require.NoError(t, os.Symlink(filepath.Join("..", "target.db"), path))
		open(t, path, nil)
		require.FileExists(t, filepath.Join(dir, "disk", "target.db"))
	})
	t.Run("opens a relative path", func(t *testing.T) {
		t.Chdir(t.TempDir())
		open(t, "events.db", nil)
		require.FileExists(t, "events.db")
	})
}

func TestOpenDatabase(t *testing.T) {
	t.Run("gives each Open in memory a database of its own", func(t *testing.T) {
		a, b := open(t, ":memory:", nil), open(t, ":memory:", nil)
		commit(t, t.Context(), a, appends(order("1"), driver.NoStream, 1))
		require.Len(t, readStream(t, t.Context(), a, order("1")), 1)
		require.Empty(t, readStream(t, t.Context(), b, order("1")))
	})
	t.Run("leaves one file behind when it is closed", func(t *testing.T) {
		path := inFile(t)
		s, err := sqlite.Open(t.Context(), path, nil)
		require.NoError(t, err)
		commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
		require.FileExists(t, path+"-wal")
		readAll(t, t.Context(), s, 0)
		require.NoError(t, s.Close())
		require.NoFileExists(t, path+"-wal")
	})
	t.Run("sets up the connections as documented", func(t *testing.T) {
		path := inFile(t)
		var settings struct{ Journal, Synchronous string }
		query := `SELECT (SELECT journal_mode FROM pragma_journal_mode) journal, (SELECT synchronous FROM pragma_synchronous) synchronous`
		require.NoError(t, open(t, path, nil).DB().Get(&settings, query))
		require.Equal(t, "wal", settings.Journal)
		require.Equal(t, "2", settings.Synchronous)
		require.NoError(t, open(t, path, &sqlite.Options{Synchronous: sqlite.Normal}).DB().Get(&settings, query))
		require.Equal(t, "1", settings.Synchronous)
	})
	t.Run("fails with a context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := sqlite.Open(ctx, inFile(t), nil)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("may be called by many at once on a new file", func(t *testing.T) {
		path := inFile(t)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				s, err := sqlite.Open(t.Context(), path, nil)
				if err == nil {
					_, err = s.Commit(t.Context(), []driver.Write{appends(order(fmt.Sprint(i)), driver.NoStream, 1)})
				}
				if err == nil {
					err = s.Close()
				}
				errs[i] = err
			})
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		require.Len(t, readAll(t, t.Context(), open(t, path, nil), 0).Records, len(errs))
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(text, []byte("this is a text and no database, and is long enough to tell"), 0o600))
	dangling, loop := filepath.Join(dir, "dangling.db"), filepath.Join(dir, "loop.db")
	require.NoError(t, os.Symlink(filepath.Join("none", "target.db"), dangling))
	require.NoError(t, os.Symlink(loop, loop))
	for _, c := range []struct {
		name, path, says string
		opts             *sqlite.Options
	}{
		{"an empty path", "", "the path is empty", nil},
		{"a URI", "file:events.db?cache=shared", "not a URI", nil},
		{"a NUL byte", "a\x00b", "NUL byte", nil},
		{"a directory", dir, "it is a directory", nil},
		{"what can only be a directory", filepath.Join(dir, "nothere") + "/", "that of a directory: name a file in it", nil},
		{"the same with a dot", filepath.Join(dir, "nothere") + "/.", "that of a directory: name a file in it", nil},
		{"a link into a missing directory", dangling, "a link to " + filepath.Join(dir, "none", "target.db") + ": there is no directory", nil},
		{"a link to itself", loop, "too many", nil},
		{"a missing directory", filepath.Join(dir, "missing", "events.db"), "there is no directory " + filepath.Join(dir, "missing"), nil},
		{"a file in the place of the directory", filepath.Join(text, "events.db"), text, nil},
		{"a file that is no database", text, "no SQLite database", nil},
		{"a negative timeout", ":memory:", "BusyTimeout", &sqlite.Options{BusyTimeout: -time.Second}},
		{"a negative number of readers", ":memory:", "Readers", &sqlite.Options{Readers: -1}},
		{"an unknown synchronous mode", ":memory:", "Synchronous", &sqlite.Options{Synchronous: 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := sqlite.Open(t.Context(), c.path, c.opts)
			require.ErrorContains(t, err, "sqlite: ")
			require.ErrorContains(t, err, c.says)
			if c.opts == nil && c.path != "a\x00b" {
				require.ErrorContains(t, err, c.path)
			}
		})
	}
	require.NoFileExists(t, filepath.Join(dir, "nothere"))
	t.Run("keeps SQLite's own error", func(t *testing.T) {
		_, err := sqlite.Open(t.Context(), text, nil)
		var own sqlite3.Error
		require.ErrorAs(t, err, &own)
		require.Equal(t, sqlite3.ErrNotADB, own.Code)
	})
}

func TestMigrate(t *testing.T) {
	t.Run("can be called again and changes nothing", func(t *testing.T) {
		s := open(t, inFile(t), nil)
		commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
		require.NoError(t, s.Migrate(t.Context()))
		require.Len(t, readStream(t, t.Context(), s, order("1")), 1)
	})
	t.Run("refuses a file of a later release, naming both versions and what to do", func(t *testing.T) {
		path := inFile(t)
		s := open(t, path, nil)
		s.DB().MustExec(`INSERT INTO tidemark_migrations (version, name) VALUES (7, '0007_future')`)
		_, err := sqlite.Open(t.Context(), path, nil)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "schema version 7, written by a later release")
		require.ErrorContains(t, err, ": upgrade this program")
		require.ErrorContains(t, s.Migrate(t.Context()), "schema version 7")
	})
	t.Run("marks a new file as Tidemark's", func(t *testing.T) {
		require.Equal(t, int64(0x54494445), pragma(t, open(t, inFile(t), nil), "application_id"))
	})
	t.Run("adds its tables to the user's and leaves those alone", func(t *testing.T) {
		path := inFile(t)
		createBefore(t, path, `CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('Ada');
			PRAGMA user_version = 12; PRAGMA application_id = 34`)
		s := open(t, path, nil)
		commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
		var name string
		require.NoError(t, s.DB().Get(&name, `SELECT name FROM customer`))
		require.Equal(t, "Ada", name)
		require.Equal(t, int64(12), pragma(t, s, "user_version"))
		require.Equal(t, int64(34), pragma(t, s, "application_id"))
	})
	for script, says := range map[string]string{
		`CREATE TABLE Events (name TEXT)`:                                                     "table Events",
		`CREATE VIEW snapshots AS SELECT 1`:                                                   "view snapshots",
		`CREATE TABLE subject_keys (x); CREATE TABLE dead_letters (x)`:                        "table dead_letters, table subject_keys",
		`CREATE TABLE t (x); CREATE INDEX events ON t (x)`:                                    "index events",
		`CREATE TABLE t (x); CREATE TRIGGER events_no_update INSERT ON t BEGIN SELECT 1; END`: "trigger events_no_update",
		`CREATE TABLE tidemark_migrations (x)`:                                                "table tidemark_migrations",
		`CREATE TABLE tidemark_migrations (version INTEGER, name TEXT);
			INSERT INTO tidemark_migrations VALUES (20240101120000, 'of another framework')`: "table tidemark_migrations",
	} {
		t.Run("refuses to mistake what is the user's for its own: "+script, func(t *testing.T) {
			path := inFile(t)
			createBefore(t, path, script)
			_, err := sqlite.Open(t.Context(), path, nil)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, "not Tidemark's under a name that Tidemark needs: "+says+": rename it")
		})
	}
	t.Run("refuses it as well where tables of an earlier release are", func(t *testing.T) {
		path := inFile(t)
		s := open(t, path, nil)
		s.DB().MustExec(`DROP TABLE subject_keys; DROP TABLE wrapped_keys; DELETE FROM tidemark_migrations WHERE version = 2;
			CREATE TABLE Subject_Keys (x)`)
		_, err := sqlite.Open(t.Context(), path, nil)
		require.ErrorContains(t, err, "needs: table Subject_Keys: rename it")
	})
}

func createBefore(t *testing.T, path, script string) {
	t.Helper()
	db, err := sqlx.Open("sqlite3", path)
	require.NoError(t, err)
	db.MustExec(script)
	require.NoError(t, db.Close())
}

func pragma(t *testing.T, s *sqlite.Store, name string) (value int64) {
	t.Helper()
	require.NoError(t, s.DB().Get(&value, "PRAGMA "+name))
	return value
}
