package evolution_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// onEveryDriver runs a test on each driver, on a database of its own.
func onEveryDriver(t *testing.T, test func(t *testing.T, d driver.Store)) {
	for name, open := range map[string]func(t *testing.T) (driver.Store, error){
		"memory": func(*testing.T) (driver.Store, error) { return memory.New(), nil },
		"SQLite": func(t *testing.T) (driver.Store, error) {
			return sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "events.db"), &sqlite.Options{Synchronous: sqlite.Normal})
		},
		"Postgres": func(t *testing.T) (driver.Store, error) { return postgres.Open(t.Context(), pgtest.DSN(t), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := open(t)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			test(t, d)
		})
	}
}
