package postgres

import (
	"database/sql"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// connect makes a pool; the first connection comes with its first use.
//
// lib/pq goes on to the next host whatever keeps it from a connection, so a primary that has too many clients would hand
// some over to its standby, where streams, snapshots and checkpoints are older than what was stored before. Such a
// connection is not made. That it is looked at once is enough: a server that is no standby does not become one while it
// runs. One host alone is the caller's choice, as are the connections of a pool of his own, which may be to a standby on
// purpose; for the log all of them are looked at, see mark.go.
func connect(dsn string, o Options) (*sqlx.DB, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	config.BinaryParameters = config.BinaryParameters || o.Unprepared
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectPatience
	}
	if choosesHost(config) {
		config.TargetSessionAttrs = pq.TargetSessionAttrsPrimary
	}
	db := sqlx.NewDb(sql.OpenDB(&lines{config: config, ack: ackPatience, all: make(map[*line]bool)}), "postgres")
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	return db, nil
}
