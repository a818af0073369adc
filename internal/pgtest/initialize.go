package pgtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// initialize makes the files of the databases. Whoever may enter the directory needs no password at the socket in it.
func (c *Cluster) initialize() error {
	out, err := c.command(c.Bin("initdb"), "--pgdata=data", "--username=tidemark", "--auth-local=trust",
		"--auth-host=reject", "--encoding=UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("pgtest: initdb: %w: %s", err, out)
	}
	return nil
}

// throwAway are the settings of a cluster whose content nobody needs after a power failure.
func (c *Cluster) throwAway() map[string]string {
	return map[string]string{
		"dynamic_shared_memory_type":     "mmap", // in the directory, so that it goes with it
		"fsync":                          "off",
		"full_page_writes":               "off",
		"listen_addresses":               "",
		"max_connections":                "300",
		"max_pred_locks_per_transaction": "10",            // the least: pg_locks walks through the whole table, and it is empty
		"max_wal_size":                   "128MB",         // memory may have to hold it
		"timezone":                       "<+0545>-05:45", // not UTC: who forgets to ask for UTC shall notice
		"unix_socket_directories":        c.dir,
	}
}

// configure writes the file of settings that overrides the one of initdb.
func (c *Cluster) configure(settings map[string]string) error {
	all := c.throwAway()
	maps.Copy(all, settings)
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&lines, "%s = '%s'\n", name, strings.ReplaceAll(all[name], "'", "''"))
	}
	return c.write("data/postgresql.auto.conf", lines.String())
}
