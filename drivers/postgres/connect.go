package postgres

import (
	"database/sql"
	"errors"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
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

// errDSN keeps the parser's own words to itself: they quote parts of the string, and a password that is not escaped
// shows up in any part.
var errDSN = errors.New("postgres: the DSN is neither a URL (postgres://user:password@host:5432/database) nor a list of " +
	"key=value pairs that lib/pq understands; in a URL, user and password must be percent-encoded. " +
	"It is not shown, because it may hold a password")

func parse(dsn string) (pq.Config, error) {
	config, err := pq.NewConfig(dsn)
	if err != nil {
		return config, errDSN
	}
	return config, nil
}
