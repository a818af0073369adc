package postgres

import (
	"database/sql"

	"github.com/jmoiron/sqlx"
)

// connect makes a pool; the first connection comes with its first use.
func connect(dsn string, o Options) (*sqlx.DB, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	config.BinaryParameters = config.BinaryParameters || o.Unprepared
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectPatience
	}
	db := sqlx.NewDb(sql.OpenDB(&lines{config: config, ack: ackPatience, all: make(map[*line]bool)}), "postgres")
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	return db, nil
}
