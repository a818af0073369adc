package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
)

func TestConformanceWithPQ(t *testing.T) {
	drivertest.Run(t, opener(pgtest.DSN(t), openPQ))
}

// TestPreparedWithPGX is for a torture only: what it adds to TestConformance is that pgx and prepared statements go
// together, as they do in the model test and the histories.
func TestPreparedWithPGX(t *testing.T) {
	if !torture.Long() {
		t.Skip(torture.Env + " is not set: TestConformanceBehindAProxyWithPGX and TestModelWithPGX have it in two halves")
	}
	drivertest.Run(t, opener(pgtest.DSN(t), openPGX))
}

// openStore opens a store on one schema. It also returns what is left to close after the store.
type openStore func(ctx context.Context, dsn, schema string) (driver.Store, func() error, error)

func nothing() error { return nil }

func openPQ(ctx context.Context, dsn, schema string) (driver.Store, func() error, error) {
	s, err := postgres.Open(ctx, dsn, &postgres.Options{Schema: schema})
	return s, nothing, err
}

func openPGX(ctx context.Context, dsn, schema string) (driver.Store, func() error, error) {
	return newPGX(ctx, dsn, &postgres.Options{Schema: schema, ListenDSN: dsn})
}

func newPGX(ctx context.Context, dsn string, opts *postgres.Options) (driver.Store, func() error, error) {
	db, err := sqlx.Open("pgx", dsn)
	if err != nil {
		return nil, nothing, err
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	s, err := postgres.New(db, opts)
	if err == nil {
		err = s.Migrate(ctx)
	}
	return s, db.Close, err
}

// opener gives each case a schema of its own in one database, so that the suite shows on the side that stores in one
// database stay out of each other's way.
func opener(dsn string, open openStore) drivertest.Opener {
	spare := make(chan string, 100)
	dumpable := sync.OnceValue(func() bool { return canDump(dsn) })
	return func(ctx context.Context) (*drivertest.Database, error) {
		c := &caseDatabase{open: open, spare: spare}
		select {
		case c.name = <-spare:
		default:
			c.name = newCaseName()
		}
		c.dsn = with(dsn, "application_name", c.name)
		s, err := c.reopen(ctx)
		database := &drivertest.Database{
			Store:      s,
			Reopen:     c.reopen,
			Damage:     c.damage,
			Disconnect: c.disconnect,
			Remove:     c.remove,
		}
		if dumpable() {
			database.Restore = c.restore
		}
		return database, err
	}
}

func newCaseName() string { return "case_" + strings.ReplaceAll(uuid.NewString(), "-", "") }

type caseDatabase struct {
	open      openStore
	dsn, name string
	spare     chan string // schemas that are as new
	damaged   bool

	mu      sync.Mutex
	closers []func() error
}

func (c *caseDatabase) reopen(ctx context.Context) (driver.Store, error) { return c.openAt(ctx, c.dsn) }

func (c *caseDatabase) openAt(ctx context.Context, dsn string) (driver.Store, error) {
	s, done, err := c.open(ctx, dsn, c.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closers = append(c.closers, done)
	return s, err
}

func (c *caseDatabase) remove() error {
	var err error
	for _, done := range c.closers {
		err = errors.Join(err, done())
	}
	if c.damaged {
		return errors.Join(err, execute(context.Background(), c.dsn, `DROP SCHEMA `+c.name+` CASCADE`))
	}
	return errors.Join(err, c.recycle())
}

// recycle makes the schema as new, under a new name: most of what the suite asks of the server would else be to make
// schemas and to drop them. What a call that was cut short still does comes before the lock, or finds no such name.
func (c *caseDatabase) recycle() error {
	name := newCaseName()
	err := execute(context.Background(), c.dsn, strings.ReplaceAll(`
		LOCK TABLE S.events, S.snapshots, S.subscription_checkpoints, S.dead_letters, S.subject_keys;
		SET LOCAL session_replication_role = replica; -- without the trigger
		DELETE FROM S.events;
		DELETE FROM S.snapshots;
		DELETE FROM S.subscription_checkpoints;
		DELETE FROM S.dead_letters;
		DELETE FROM S.subject_keys;
		SELECT setval('S.events_position_seq', 1, false);
		ALTER SCHEMA `+c.name+` RENAME TO `+name, "S.", c.name+"."))
	if err == nil {
		c.spare <- name
	}
	return err
}

func (c *caseDatabase) disconnect(ctx context.Context) error {
	return execute(ctx, with(c.dsn, "application_name", "disconnect"),
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '`+c.name+`'`)
}

func (c *caseDatabase) damage(ctx context.Context, stream driver.StreamID, version int64) error {
	c.damaged = true
	db, err := sqlx.Open("postgres", c.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `ALTER TABLE `+c.name+`.events DISABLE TRIGGER events_append_only;
		ALTER TABLE `+c.name+`.events ALTER event_type DROP NOT NULL`)
	if err == nil {
		_, err = db.ExecContext(ctx, `UPDATE `+c.name+`.events SET event_type = NULL
			WHERE stream_type = $1 AND stream_id = $2 AND version = $3`, stream.Type, stream.ID, version)
	}
	return err
}

// restore dumps the schema and restores it into a database of its own.
func (c *caseDatabase) restore(ctx context.Context) (driver.Store, error) {
	if err := execute(ctx, c.dsn, `CREATE DATABASE `+c.name); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.dsn)
	if err != nil {
		return nil, err
	}
	u.Path = "/" + c.name
	c.closers = append(c.closers, func() error {
		return execute(context.Background(), c.dsn, `DROP DATABASE `+c.name+` WITH (FORCE)`)
	})
	if err := dumpAndRestore(ctx, c.dsn, u.String(), c.name); err != nil {
		return nil, err
	}
	return c.openAt(ctx, u.String())
}

// canDump says whether there is a pg_dump on this machine that is not older than the server, which may be elsewhere.
func canDump(dsn string) bool {
	bin, err := pgtest.Find()
	if err != nil {
		return false
	}
	out, err := exec.Command(filepath.Join(bin, "pg_dump"), "--version").Output()
	var client, server int
	if _, scanned := fmt.Sscanf(string(out), "pg_dump (PostgreSQL) %d", &client); err != nil || scanned != nil {
		return false
	}
	db, err := sqlx.Open("postgres", dsn)
	if err != nil {
		return false
	}
	defer db.Close()
	err = db.Get(&server, `SELECT current_setting('server_version_num')::int / 10000`)
	return err == nil && client >= server
}

func dumpAndRestore(ctx context.Context, from, to, schema string) error {
	bin, err := pgtest.Find()
	if err != nil {
		return err
	}
	dump, err := exec.CommandContext(ctx, filepath.Join(bin, "pg_dump"), "--no-owner", "--schema", schema, from).Output()
	if err != nil {
		return fmt.Errorf("pg_dump: %w", err)
	}
	psql := exec.CommandContext(ctx, filepath.Join(bin, "psql"), "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", to)
	psql.Stdin, psql.Stderr = bytes.NewReader(dump), os.Stderr
	return psql.Run()
}

func with(dsn, key, value string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic(err)
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func execute(ctx context.Context, dsn, statement string) error {
	db, err := sqlx.Open("postgres", dsn)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}
