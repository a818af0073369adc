// Package sqlite keeps events in a SQLite database, in a file or in memory, through mattn/go-sqlite3 and sqlx.
//
// SQLite has one writer at a time. All that writes goes through one connection, whose pool [Store.DB] hands out, and
// whoever wants it waits in line; a wait that goes nowhere ends with an error that says why. Reading has connections of
// its own and never waits for a writer, unless the database is in memory. Several processes may use one file.
//
// A caller's transaction, package sqltx, spans appends, snapshots, checkpoints and the caller's own tables in the same
// file:
//
//	err := sqltx.In(ctx, store.DB(), func(ctx context.Context) error { ... })
//
// Store has every capability of package driver but driver.TailReader: to read twice costs no round trip.
package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var (
	_ driver.Store          = (*Store)(nil)
	_ driver.BatchCommitter = (*Store)(nil)
	_ driver.Waiter         = (*Store)(nil)
	_ driver.Snapshotter    = (*Store)(nil)
	_ driver.Checkpointer   = (*Store)(nil)
	_ driver.Leaser         = (*Store)(nil)
	_ driver.DeadLetterer   = (*Store)(nil)
	_ driver.Transactor     = (*Store)(nil)
	_ driver.Migrator       = (*Store)(nil)
)

// Synchronous says when a commit is on disk.
type Synchronous int

const (
	// Full: when it returns. An event whose append was acknowledged survives a power failure.
	Full Synchronous = iota
	// Normal: a little later. It survives the end of the process; a power failure can take the last commits with it,
	// never a part of one, and leaves the file intact. A commit takes a fraction of the time.
	Normal
)

// Options are the choices that Open leaves open. The zero value works.
type Options struct {
	// Synchronous says when a commit is on disk. Default: Full.
	Synchronous Synchronous
	// BusyTimeout is how long a call waits for the one writer while a single transaction holds it, in this process or
	// in another. More than 24 days, which is what SQLite can wait for, counts as those. Default: 5 s.
	BusyTimeout time.Duration
	// Readers is the number of connections that read. For ":memory:" reading and writing share one. Default: 4.
	Readers int
}

// maxBusyTimeout is the largest busy_timeout. SQLite takes larger ones for 0. They are no mistake that deserves an error: who
// sets one means for ever.
const maxBusyTimeout = math.MaxInt32 * time.Millisecond

func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.BusyTimeout = min(cmp.Or(opts.BusyTimeout, 5*time.Second), maxBusyTimeout)
	opts.Readers = cmp.Or(opts.Readers, 4)
	if opts.BusyTimeout < time.Millisecond || opts.Readers < 0 || opts.Synchronous < Full || opts.Synchronous > Normal {
		return opts, fmt.Errorf("sqlite: options: BusyTimeout %v must be 1 ms or more, Readers %d not negative, "+
			"Synchronous %d one of Full and Normal", opts.BusyTimeout, opts.Readers, opts.Synchronous)
	}
	return opts, nil
}

// Store is a driver for one SQLite database. It is safe for concurrent use.
type Store struct {
	file    file
	writer  *writer
	readers *sqlx.DB // nil for a database in memory, which the writer reads as well
	bell    bell
}

// Open opens the database in the file at path, creates it if there is none, and brings its tables up to date. Other
// tables in it are left alone, so read models can live beside the events. The path ":memory:" opens a new private
// database that ends with Close. It has one connection, so there reading waits for an open transaction as writing does.
//
// A file that a later release has written is refused.
func Open(ctx context.Context, path string, opts *Options) (*Store, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	f, err := locate(path)
	if err != nil {
		return nil, err
	}
	s := &Store{file: f, writer: newWriter(f, o)}
	if err := s.prepare(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context, o Options) error {
	if err := s.enableWAL(ctx); err != nil {
		return err
	}
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	if s.file.inMemory() {
		return nil
	}
	readers, err := s.file.openReaders(o.Readers)
	s.readers = readers
	return err
}

// DB returns the pool of the writer, which has one connection, for sqltx.In. A transaction on it takes the database's
// write lock when it begins. Inside a transaction a statement on it runs to its end even if its context ends, because
// SQLite would roll back the transaction with it. Outside, a statement waits for another process until its context ends or
// BusyTimeout is over, and then fails with driver.ErrUnavailable. SQLite itself waits, and does not look at the context, where
// a text has more than one statement.
//
// Inside sqltx.In and a projection's handler use the transaction that sqltx.From returns. A statement on DB waits there for the
// connection that the transaction has, until its context ends, which without a deadline is never: database/sql hands out the
// connection, and knows nothing of BusyTimeout. Elsewhere, rows that stay open and transactions that stay unfinished on DB hold
// up everybody who writes.
//
// Leave the pool's settings as they are. A database in memory ends with its connection, so there a second connection is
// refused, and one that the pool has closed (SetConnMaxIdleTime, SetConnMaxLifetime, SetMaxIdleConns) has taken all with it.
func (s *Store) DB() *sqlx.DB { return s.writer.db }

// Close implements driver.Store.
func (s *Store) Close() error {
	var err error
	if s.readers != nil {
		err = s.readers.Close()
	}
	// The writer is the last to close, so that SQLite can fold the write-ahead log into the file and remove it.
	return errors.Join(err, s.writer.db.Close())
}
