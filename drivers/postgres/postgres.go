// Package postgres keeps events in a PostgreSQL database, through sqlx and lib/pq or pgx.
//
// An append outside of a transaction is one statement in one round trip. Writers of different streams never wait for
// each other, and readers of the global log never skip an event: they stop at the tide mark, which is explained in
// mark.go. The tables live in a schema of their own.
//
// A caller's transaction, package sqltx, spans appends, snapshots, checkpoints and the caller's own tables in the same
// database:
//
//	err := sqltx.In(ctx, store.DB(), func(ctx context.Context) error { ... })
//
// Appends, stream reads, snapshots and checkpoints work in a transaction of any isolation level, but see what the
// transaction's snapshot sees: under REPEATABLE READ an append to a stream that has grown since is a lost race, which
// only a new transaction can win. ReadAll needs READ COMMITTED, which is the default.
//
// Store implements every capability of package driver.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var (
	_ driver.Store          = (*Store)(nil)
	_ driver.BatchCommitter = (*Store)(nil)
	_ driver.Waiter         = (*Store)(nil)
	_ driver.Snapshotter    = (*Store)(nil)
	_ driver.TailReader     = (*Store)(nil)
	_ driver.Checkpointer   = (*Store)(nil)
	_ driver.Leaser         = (*Store)(nil)
	_ driver.DeadLetterer   = (*Store)(nil)
	_ driver.Transactor     = (*Store)(nil)
	_ driver.Migrator       = (*Store)(nil)
)

// Options are the choices that Open and New leave open. The zero value works.
type Options struct {
	// Schema is the schema that holds the tables. Several stores can share a database, each with its schema.
	// Default: "tidemark".
	Schema string
	// NoMigrate keeps Open from creating or updating the tables, for those who do it themselves with Migrations. Open
	// then only checks that they are up to date. New never touches them. Default: Open migrates.
	NoMigrate bool
	// MaxConns is the number of connections in the pool that Open makes, all of which it keeps. New leaves the caller's
	// pool as it is. Default: 16.
	MaxConns int
	// NotifyInterval is the least time between two notifications to other processes; each stands for all commits, and
	// ends of what held the mark, since the one before. Negative: none are sent, and other processes find new events when
	// they poll. Default: 10 ms.
	NotifyInterval time.Duration
	// ListenDSN is what Watch connects to, for LISTEN. It must reach the server itself, not through a proxy that pools
	// transactions. Default: the DSN that was given to Open; after New there is none, so that readers poll.
	ListenDSN string
	// Unprepared sends every statement without preparing it first, for a proxy that pools transactions and knows no
	// prepared statements. A statement is then planned each time. With New, the connections must be able to do that in
	// one round trip: binary_parameters=yes for lib/pq, default_query_exec_mode=exec for pgx. Default: each connection
	// prepares a statement once.
	Unprepared bool
}

const defaultSchema = "tidemark"

func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.Schema = cmp.Or(opts.Schema, defaultSchema)
	opts.MaxConns = cmp.Or(opts.MaxConns, 16)
	opts.NotifyInterval = cmp.Or(opts.NotifyInterval, 10*time.Millisecond)
	if opts.MaxConns < 0 {
		return opts, fmt.Errorf("postgres: options: MaxConns %d must not be negative", opts.MaxConns)
	}
	return opts, checkSchema(opts.Schema)
}

// checkSchema refuses what Postgres would cut off or keep to itself.
func checkSchema(name string) error {
	const longest = 63
	switch {
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("postgres: options: Schema %q must be UTF-8 without NUL", name)
	case len(name) > longest:
		return fmt.Errorf("postgres: options: Schema %q has %d bytes, names have at most %d", name, len(name), longest)
	case strings.HasPrefix(name, "pg_"):
		return fmt.Errorf("postgres: options: Schema %q: names that begin with pg_ are Postgres' own", name)
	}
	return nil
}

// Store is a driver for the events in one schema of one database. It is safe for concurrent use.
type Store struct {
	db      *sqlx.DB
	ownsDB  bool
	options Options
	sql     *statements
	scans   scans
	mark    highest // tide mark that was read so far
	size    highest // position that is known of: about how large the log is
	largest highest // payload that was read so far, in bytes
	news    news
}

// Open connects to the database that dsn names, which is a connection string of lib/pq: a URL or key=value pairs. An empty
// one is refused; "postgres://" leaves all of it to PGHOST and the other variables that lib/pq reads. Open brings the tables
// up to date, unless Options.NoMigrate says otherwise. Of several hosts it connects to the primary, unless the DSN has
// target_session_attrs. Close closes the connections.
//
// Tables that a later release has written are refused.
func Open(ctx context.Context, dsn string, opts *Options) (*Store, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	o.ListenDSN = cmp.Or(o.ListenDSN, dsn)
	db, err := connect(dsn, o)
	if err != nil {
		return nil, err
	}
	s := newStore(db, o)
	s.ownsDB = true
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// New returns a store on a pool of connections that the caller has opened, with lib/pq or with pgx, and that stays the
// caller's to close. New does not connect: where the tables may be missing or old, call Migrate.
//
// The pool should keep as many idle connections as it may open (SetMaxIdleConns): a new one costs some milliseconds and
// prepares all statements anew. If it can reach several servers, it should have target_session_attrs=primary: on a standby
// ReadAll fails, and streams, snapshots and checkpoints are read as old as they are there.
func New(db *sqlx.DB, opts *Options) (*Store, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errors.New("postgres: New needs a *sqlx.DB, got nil")
	}
	return newStore(db, o), nil
}

// highest is the highest number that it was raised to.
type highest struct{ atomic.Int64 }

func (h *highest) raise(n int64) {
	for {
		known := h.Load()
		if n <= known || h.CompareAndSwap(known, n) {
			return
		}
	}
}

func newStore(db *sqlx.DB, o Options) *Store {
	s := &Store{db: db, options: o, sql: newStatements(o.Schema)}
	s.news.init(s)
	return s
}

func (s *Store) prepare(ctx context.Context) error {
	if s.options.NoMigrate {
		return s.checkTables(ctx)
	}
	return s.Migrate(ctx)
}

// DB returns the pool of connections, for sqltx.In and for the caller's own statements.
func (s *Store) DB() *sqlx.DB { return s.db }

// Close implements driver.Store. Connections that are lost already are no error.
func (s *Store) Close() error {
	s.news.voice.close()
	if !s.ownsDB {
		s.giveBackStatements()
		return nil
	}
	if err := s.db.Close(); err != nil && !isDisconnect(err) {
		return fmt.Errorf("postgres: close: %w", err)
	}
	return nil
}

// giveBackStatements closes the prepared statements on the caller's pool, which takes a word with the server on each
// connection. It does not wait for a server that is silent.
func (s *Store) giveBackStatements() {
	ctx, cancel := context.WithTimeout(context.Background(), cancelPatience)
	defer cancel()
	_, _ = returning(ctx, func() (struct{}, error) {
		s.sql.close()
		return struct{}{}, nil
	})
}
