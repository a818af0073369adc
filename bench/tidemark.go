package main

import (
	"context"
	"errors"
	"net/url"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
)

// connections is how many everybody's pool has on Postgres: as many as Tidemark's by default. More of them make the ways
// that serialise slower.
const connections = 16

// tidemark is a store with its options at their defaults, and a way around it to look at its tables.
type tidemark struct {
	store *eventstore.Store
	db    *sqlx.DB // of the driver, for transactions
	raw   *sqlx.DB // a pool of the bench's own
	table string
	place string // DSN or path
}

// on opens a store on an empty database. It is nil where there is none.
func (b *bench) on(ctx context.Context, dbms string) (*tidemark, error) {
	if dbms == "sqlite" {
		return b.onSQLite(ctx, b.file())
	}
	dsn, ok, err := b.database(ctx)
	if err != nil || !ok {
		return nil, err
	}
	return b.onPostgres(ctx, dsn, "tidemark")
}

func (b *bench) onPostgres(ctx context.Context, dsn, schema string) (*tidemark, error) {
	drv, err := postgres.Open(ctx, dsn, &postgres.Options{Schema: schema})
	if err != nil {
		return nil, err
	}
	store, err := eventstore.New(drv, registry(), nil)
	if err != nil {
		return nil, errors.Join(err, drv.Close())
	}
	b.later(store.Close)
	raw, err := b.connect(ctx, dsn)
	return &tidemark{store: store, db: drv.DB(), raw: raw, table: schema + ".events", place: dsn}, err
}

func (b *bench) connect(ctx context.Context, dsn string) (*sqlx.DB, error) {
	raw, err := sqlx.ConnectContext(ctx, "postgres", dsn)
	if err != nil {
		return nil, err
	}
	raw.SetMaxOpenConns(connections)
	raw.SetMaxIdleConns(connections)
	b.later(raw.Close)
	return raw, nil
}

func (b *bench) onSQLite(ctx context.Context, path string) (*tidemark, error) {
	drv, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	store, err := eventstore.New(drv, registry(), nil)
	if err != nil {
		return nil, errors.Join(err, drv.Close())
	}
	b.later(store.Close)
	raw, err := b.openSQLite(ctx, path)
	return &tidemark{store: store, db: drv.DB(), raw: raw, table: "events", place: path}, err
}

// openSQLite opens a file the plain way, with the settings that Tidemark uses.
func (b *bench) openSQLite(ctx context.Context, path string) (*sqlx.DB, error) {
	settings := url.Values{"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"60000"}, "_txlock": {"immediate"}}
	raw, err := sqlx.ConnectContext(ctx, "sqlite3", "file:"+path+"?"+settings.Encode())
	if err == nil {
		b.later(raw.Close)
	}
	return raw, err
}

// bareSQLite returns a file with Tidemark's tables in it, for others to write to.
func (b *bench) bareSQLite(ctx context.Context) (*sqlx.DB, error) {
	path := b.file()
	drv, err := sqlite.Open(ctx, path, nil)
	if err == nil {
		err = drv.Close()
	}
	if err != nil {
		return nil, err
	}
	return b.openSQLite(ctx, path)
}

// append makes it an appender.
func (t *tidemark) append(ctx context.Context, stream string, version int64, events []event) error {
	_, err := t.store.Append(ctx, eventstore.StreamID{Type: streamType, ID: stream}, eventstore.Exactly(version),
		toAppend(events)...)
	return err
}

func (t *tidemark) count(ctx context.Context) (int, error) { return countRows(ctx, t.raw, t.table) }

func countRows(ctx context.Context, db *sqlx.DB, table string) (n int, err error) {
	err = db.GetContext(ctx, &n, "SELECT count(*) FROM "+table)
	return n, err
}
