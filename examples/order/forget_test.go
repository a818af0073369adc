package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func TestForgettingACustomer(t *testing.T) {
	t.Run("in SQLite", func(t *testing.T) { testForget(t, config{db: filepath.Join(t.TempDir(), "shop.db")}, dumpSQLite) })
	t.Run("in Postgres", func(t *testing.T) { testForget(t, config{dsn: pgtest.DSN(t)}, dumpPostgres) })
}

func testForget(t *testing.T, c config, dump func(t *testing.T, c config) string) {
	d, err := openDesk(t.Context(), c)
	require.NoError(t, err)
	for id, customer := range map[string]string{"1": "Ada", "2": "Bob"} {
		_, err := d.orders.Update(t.Context(), id, func(o *order.Order) error {
			require.NoError(t, place(o))
			return o.SendTo(order.Address{Customer: customer + "-7", Name: customer + " Lovelace", Street: "12 Square"})
		})
		require.NoError(t, err)
	}
	require.NoError(t, d.close())
	flag, database := "-db", c.db
	if c.dsn != "" {
		flag, database = "-dsn", c.dsn
	}

	before := dump(t, c)
	require.Contains(t, mustRun(t, flag, database, "show", "1"), "order.addressed v1  Ada Lovelace, 12 Square\n")
	require.Equal(t, "customer Ada-7 is forgotten: names and addresses in the orders can't be read any more\n",
		mustRun(t, flag, database, "forget", "Ada-7"))
	require.Contains(t, mustRun(t, flag, database, "show", "1"), "order.addressed v1  [forgotten], [forgotten]\n")
	require.Contains(t, mustRun(t, flag, database, "show", "2"), "order.addressed v1  Bob Lovelace, 12 Square\n")
	require.Contains(t, mustRun(t, flag, database, "forget", "Ada-7"), "customer Ada-7 has no key")

	for _, text := range []string{before, dump(t, c)} {
		require.Contains(t, text, "Ada-7", "the number stays")
		require.Contains(t, text, "tidemark-sealed:")
		require.NotContains(t, text, "Lovelace")
		require.NotContains(t, text, "12 Square")
	}
}

func dumpSQLite(t *testing.T, c config) string {
	names, err := filepath.Glob(c.db + "*")
	require.NoError(t, err)
	var all strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(b)
	}
	return all.String()
}

func dumpPostgres(t *testing.T, c config) string {
	db, err := openDatabase(t.Context(), c)
	require.NoError(t, err)
	defer db.Close()
	var all strings.Builder
	for _, table := range []string{"tidemark.events", "tidemark.snapshots", "order_keys.subject_keys", "sales_orders"} {
		rows, err := db.DB().Queryx(`SELECT * FROM ` + table)
		require.NoError(t, err)
		for rows.Next() {
			row, err := rows.SliceScan()
			require.NoError(t, err)
			fmt.Fprintf(&all, "%s\n", row)
		}
		require.NoError(t, rows.Err())
	}
	return all.String()
}
