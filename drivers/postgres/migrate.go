package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// migrations are numbered from 1, without gaps: the n-th file in order of name makes schema version n. Each may be run
// again.
//
//go:embed migrations/*.sql
var migrations embed.FS

const (
	// lockMigrations lets one process at a time migrate a schema. It is taken before there is a table that could be locked.
	lockMigrations = `SELECT pg_advisory_xact_lock(hashtext('tidemark migrations'), hashtext({schema as text}))`

	// createSchema looks first: CREATE SCHEMA IF NOT EXISTS wants the right to create schemas in the database even where the
	// schema is there, made by an administrator for a role that has no such right.
	createSchema = `BEGIN IF to_regnamespace({namespace}) IS NULL THEN CREATE SCHEMA {schema}; END IF; END`

	createMigrations = `DO {create schema};

-- Which of the following migrations were applied.
CREATE TABLE IF NOT EXISTS {schema}.migrations (
    version    integer     NOT NULL,
    name       text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT migrations_pkey PRIMARY KEY (version)
);
`
	recordMigration = `INSERT INTO {schema}.migrations (version, name) VALUES ({version}, '{name}') ON CONFLICT DO NOTHING;
`
)

type migration struct {
	version   int
	name, sql string
}

// loadMigrations fills in the schema. What is embedded can always be read, so an error is a mistake in this package.
func loadMigrations(schema string) []migration {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err)
	}
	list := make([]migration, len(names))
	for i, file := range names {
		text, err := migrations.ReadFile(file)
		if err != nil {
			panic(err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(file, "migrations/"), ".sql")
		record := strings.NewReplacer("{version}", strconv.Itoa(i+1), "{name}", name).Replace(recordMigration)
		list[i] = migration{i + 1, name, inSchema(schema, string(text)+"\n"+record)}
	}
	return list
}

// Migrations returns the SQL that creates the tables or brings them up to date, for those who run their own migrations:
// one transaction, which may be run again and by several processes at once. Schema is as in Options. Open with
// Options.NoMigrate then checks that it was done.
func Migrations(schema string) string {
	if schema == "" {
		schema = defaultSchema
	}
	var b strings.Builder
	b.WriteString("BEGIN;\n\n")
	b.WriteString(migrationLock(schema) + ";\n\n")
	b.WriteString(migrationTable(schema))
	for _, m := range loadMigrations(schema) {
		fmt.Fprintf(&b, "\n-- Migration %s\n\n%s", m.name, m.sql)
	}
	b.WriteString("\nCOMMIT;\n")
	return b.String()
}

func migrationLock(schema string) string {
	return strings.ReplaceAll(lockMigrations, "{schema as text}", pq.QuoteLiteral(schema))
}

// migrationTable quotes the block as a string: a schema may have a name that ends dollar quotes.
func migrationTable(schema string) string {
	block := pq.QuoteLiteral(inSchema(schema, createSchema))
	return strings.ReplaceAll(inSchema(schema, createMigrations), "{create schema}", block)
}

// Migrate implements driver.Migrator. Open has called it already, unless Options.NoMigrate was set. Where the tables are
// up to date it only looks, so that a role without the right to create tables can call it.
func (s *Store) Migrate(ctx context.Context) error {
	err := s.checkTables(ctx)
	var old *oldTablesError
	if !errors.As(err, &old) {
		return err
	}
	err = conn{store: s}.inTransaction(ctx, func(c conn) error { return c.migrate(ctx) })
	if err != nil {
		return failed(ctx, s.migrating(), err)
	}
	return s.checkTables(ctx)
}

func (s *Store) migrating() string {
	return fmt.Sprintf("bring the tables in schema %q up to date", s.options.Schema)
}

// migrate looks again, since another process may have been faster.
func (c conn) migrate(ctx context.Context) error {
	schema := c.store.options.Schema
	if err := c.exec(ctx, migrationLock(schema)); err != nil {
		return err
	}
	done, err := schemaVersion(ctx, c.tx, schema)
	if err != nil {
		return err
	}
	if done == 0 {
		if err := c.exec(ctx, migrationTable(schema)); err != nil {
			return err
		}
	}
	for _, m := range loadMigrations(schema) {
		if m.version <= done {
			continue
		}
		if err := c.exec(ctx, m.sql); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}

// schemaVersion returns 0 where there are no tables.
func schemaVersion(ctx context.Context, q sqlx.QueryerContext, schema string) (version int, err error) {
	var table sql.NullString
	err = q.QueryRowxContext(ctx, inSchema(schema, `SELECT to_regclass({migrations})::text`)).Scan(&table)
	if err != nil || !table.Valid {
		return 0, err
	}
	err = q.QueryRowxContext(ctx, inSchema(schema, `SELECT coalesce(max(version), 0) FROM {schema}.migrations`)).Scan(&version)
	return version, err
}

// oldTablesError says that the tables are missing or of an earlier release.
type oldTablesError struct {
	schema     string
	have, want int
}

// Error implements error.
func (e *oldTablesError) Error() string {
	return fmt.Sprintf("postgres: the tables in schema %q have version %d, this release needs version %d: call Migrate, "+
		"or run what postgres.Migrations returns", e.schema, e.have, e.want)
}

const selectSettings = `SELECT s.seqcache = 1 AND s.seqincrement = 1 AND NOT s.seqcycle,
	(SELECT coalesce(max(e.global_position), 0) FROM {schema}.events e),
	` + lastValue + `,
	current_setting('server_encoding'), current_setting('array_nulls')
FROM pg_sequence s WHERE s.seqrelid = {sequence}`

// checkTables refuses tables that are old, or newer than this release, and whatever would lose events without a word.
func (s *Store) checkTables(ctx context.Context) error {
	err := s.checkVersion(ctx)
	if err == nil {
		err = s.checkSettings(ctx)
	}
	return err
}

func (s *Store) checkVersion(ctx context.Context) error {
	have, err := schemaVersion(ctx, s.db, s.options.Schema)
	if err != nil {
		return failed(ctx, s.checking(), err)
	}
	want := len(loadMigrations(s.options.Schema))
	if have < want {
		return &oldTablesError{s.options.Schema, have, want}
	}
	if have > want {
		return fmt.Errorf("postgres: the tables in schema %q have version %d, written by a later release of Tidemark; this "+
			"release knows versions up to %d: upgrade this program", s.options.Schema, have, want)
	}
	return nil
}

func (s *Store) checkSettings(ctx context.Context) error {
	var ordered bool
	var highest, position int64
	var encoding, nulls string
	row := s.db.QueryRowxContext(ctx, inSchema(s.options.Schema, selectSettings))
	err := row.Scan(&ordered, &highest, &position, &encoding, &nulls)
	switch {
	case err != nil:
		return failed(ctx, s.checking(), err)
	case !ordered:
		return fmt.Errorf("postgres: sequence events_position_seq in schema %q must have INCREMENT 1, CACHE 1 and NO CYCLE, "+
			"or readers skip events: ALTER SEQUENCE it back", s.options.Schema)
	case highest > position:
		return failed(ctx, s.checking(), errSequenceBehind(s.options.Schema))
	case encoding != "UTF8":
		return fmt.Errorf("postgres: the database has encoding %s: create one with encoding UTF8", encoding)
	case nulls != "on":
		return errors.New("postgres: array_nulls is off, so that the server takes a NULL in an array for a text, and mixes up " +
			"the events of an append: set it on, where the server, the database, the role or the DSN sets it")
	}
	s.size.raise(highest)
	return nil
}

func (s *Store) checking() string {
	return fmt.Sprintf("check the tables in schema %q", s.options.Schema)
}
