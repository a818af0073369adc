package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// bench is a run: the databases, and what has been measured.
type bench struct {
	settings
	dir     string // of this run, for SQLite files
	cluster *pgtest.Cluster
	admin   *sqlx.DB // nil where there is no Postgres
	fixtures
	made    int // databases and files
	results []*result
	notes   []string // of the contest that is held
	skipped []string
	undo    []func() error // what the contest in hand has opened
	undoAll []func() error // what stays until the end
}

func newBench(ctx context.Context, s settings) (*bench, error) {
	dir, err := os.MkdirTemp(s.dir, "tidemark-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, dir: dir}
	if err := b.startPostgres(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// durable are the settings in which the cluster differs from a throw-away one of the tests: those of Postgres itself.
func durable() map[string]string {
	return map[string]string{"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "timezone": "UTC"}
}

func (b *bench) startPostgres(ctx context.Context) error {
	c, err := pgtest.NewCluster(ctx, "", durable())
	if errors.Is(err, pgtest.ErrNoPostgres) {
		b.skip("Postgres: " + err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	b.cluster = c
	b.admin, err = sqlx.ConnectContext(ctx, "postgres", c.DSN("postgres"))
	return err
}

func (b *bench) close() error {
	b.release()
	err := undo(b.undoAll)
	if b.admin != nil {
		err = errors.Join(err, b.admin.Close())
	}
	if b.cluster != nil {
		err = errors.Join(err, b.cluster.Close())
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// later has f called when the contest in hand is over.
func (b *bench) later(f func() error) { b.undo = append(b.undo, f) }

// keep runs f so that what it opens stays until the end of the run.
func (b *bench) keep(f func() error) error {
	before := b.undo
	b.undo = nil
	err := f()
	b.undoAll = append(b.undoAll, b.undo...)
	b.undo = before
	return err
}

// release reports what can't be closed, and goes on: the numbers are there.
func (b *bench) release() {
	if err := undo(b.undo); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	b.undo = nil
}

func undo(list []func() error) error {
	var errs []error
	for _, f := range slices.Backward(list) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// skip says in the report what is missing there, once.
func (b *bench) skip(notes ...string) {
	for _, n := range notes {
		if !slices.Contains(b.skipped, n) {
			b.skipped = append(b.skipped, n)
		}
	}
}

func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// database makes an empty database on the cluster and returns its address. ok is false where there is no Postgres.
func (b *bench) database(ctx context.Context) (dsn string, ok bool, err error) {
	if b.admin == nil {
		b.note("there is no Postgres")
		return "", false, nil
	}
	b.made++
	name := fmt.Sprintf("bench_%d", b.made)
	_, err = b.admin.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
	return b.cluster.DSN(name), err == nil, err
}

// file returns a path for a SQLite database.
func (b *bench) file() string {
	b.made++
	return filepath.Join(b.dir, fmt.Sprintf("%d.db", b.made))
}

// checkpoint lets every round of a contest begin with nothing left to write out, so that nobody pays for another's pages.
func (b *bench) checkpoint(ctx context.Context) error {
	if b.admin == nil {
		return nil
	}
	_, err := b.admin.ExecContext(ctx, "CHECKPOINT")
	return err
}
