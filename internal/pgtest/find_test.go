package pgtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// install makes empty programs.
func install(t *testing.T, dir string, programs ...string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, program := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), nil, 0o755))
	}
	return dir
}

func TestTheNewestWholeInstallationIsFound(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	root := t.TempDir()
	t.Chdir(root) // the path of the test's own directory has numbers in it
	install(t, "lib/9.6/bin", "initdb", "pg_ctl", "postgres")
	install(t, "lib/15/bin", "initdb", "pg_ctl", "postgres")
	install(t, "lib/17/bin", "pg_ctl", "psql")
	dir, err := pgtest.FindIn([]string{"nowhere/*/bin", "lib/*/bin"})
	require.NoError(t, err)
	require.Equal(t, "lib/15/bin", dir)
}

func TestWhatIsOnPathComesFirstAndLinksAreFollowed(t *testing.T) {
	root, onPath := t.TempDir(), t.TempDir()
	t.Setenv("PATH", onPath)
	whole := install(t, filepath.Join(root, "15/bin"), "initdb", "pg_ctl", "postgres", "psql")
	install(t, filepath.Join(root, "17/bin"), "initdb", "pg_ctl", "postgres", "psql")
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		require.NoError(t, os.Symlink(filepath.Join(whole, program), filepath.Join(onPath, program)))
	}
	dir, err := pgtest.FindIn([]string{filepath.Join(root, "*/bin")})
	require.NoError(t, err)
	require.Equal(t, whole, dir)
}

func TestAMachineWithoutPostgresIsToldWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := pgtest.FindIn([]string{filepath.Join(t.TempDir(), "*")})
	require.ErrorIs(t, err, pgtest.ErrNoPostgres)
	require.ErrorContains(t, err, pgtest.Env)
}
