package privacy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// fill stores all kinds of things about Anna.
func fill(w *world) {
	serializer.Register[customerState](w.reg, "customer.state")
	w.append("1", anna, ill, noted{"plain text stays"})
	require.NoError(w, w.store.SaveSnapshot(w.Context(), eventstore.Snapshot{Stream: stream("1"), Version: 2,
		State: customerState{ID: "c-1", Name: "Anna Karenina"}}))
	require.NoError(w, w.vault.Rotate(w.Context(), "c-1"))
	w.append("1", ill)
}

// wrappedKey returns what is stored of Anna's key.
func wrappedKey(w *world) []byte {
	keys, err := w.keys.LoadKeys(w.Context(), []string{"c-1"})
	require.NoError(w, err)
	require.Len(w, keys, 1)
	return keys[0].Wrapped
}

func TestNothingPersonalIsInTheDatabaseAtAnyTime(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		fill(w)
		key := wrappedKey(w)
		require.NotEmpty(t, key)
		before := dump(w)
		require.Contains(t, before, "plain text stays", "the dump is one of the events")
		require.Contains(t, before, "tidemark-sealed:")
		requireNoSecrets(t, before)

		w.forget("c-1")
		after := dump(w)
		requireNoSecrets(t, after)
		require.Contains(t, after, "plain text stays")
		for i := range len(key) - 16 {
			require.False(t, strings.Contains(after, string(key[i:i+16])), "a part of the key is left")
		}
		require.Nil(t, wrappedKey(w))
	})
}

// dump returns all that stands in the databases of a world.
func dump(w *world) string {
	var all strings.Builder
	for _, one := range w.dumps {
		all.WriteString(one())
	}
	return all.String()
}

// dumpMemory returns what a driver in memory hands out.
func dumpMemory(w *world, drv *memory.Store) string {
	page, err := drv.ReadAll(w.Context(), driver.AllQuery{Limit: 1000, MaxBytes: 1 << 20})
	require.NoError(w, err)
	snap, _, err := drv.LoadSnapshot(w.Context(), stream("1"))
	require.NoError(w, err)
	keys, err := drv.ListKeys(w.Context(), "", 1000)
	require.NoError(w, err)
	all := fmt.Sprintf("%s %q\n", snap.Data, keys)
	for _, r := range page.Records {
		all += fmt.Sprintf("%s\n", r.Data)
	}
	return all
}

// dumpFiles returns the bytes of a SQLite database, after what stands in the write-ahead log was moved into it.
func dumpFiles(w *world, db *sqlx.DB, path string) string {
	db.MustExec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	names, err := filepath.Glob(path + "*")
	require.NoError(w, err)
	var all strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(w, err)
		fmt.Fprintf(&all, "%s: %s\n", name, b)
	}
	return all.String()
}

// dumpTables returns all rows of all tables that a query names.
func dumpTables(w *world, db *sqlx.DB, query string) string {
	var tables []string
	require.NoError(w, db.Select(&tables, query))
	require.NotEmpty(w, tables)
	var all strings.Builder
	for _, table := range tables {
		rows, err := db.Queryx(`SELECT * FROM ` + table)
		require.NoError(w, err)
		for rows.Next() {
			columns, err := rows.SliceScan()
			require.NoError(w, err)
			fmt.Fprintf(&all, "%s: %s\n", table, columns)
		}
		require.NoError(w, rows.Err())
	}
	return all.String()
}

const (
	tablesOfSQLite   = `SELECT name FROM sqlite_schema WHERE type = 'table'`
	tablesOfPostgres = `SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
		WHERE table_schema = 'tidemark' OR table_schema = 'public'`
)
