package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
)

// migrations are numbered from 1, without gaps: the n-th file in order of name makes schema version n.
//
//go:embed migrations/*.sql
var migrations embed.FS

// The schema version has a table of its own. PRAGMA user_version may be taken by the user's own tables in the file.
const createMigrations = `CREATE TABLE IF NOT EXISTS main.tidemark_migrations (
	version    INTEGER PRIMARY KEY,
	name       TEXT    NOT NULL,
	applied_at TEXT    NOT NULL DEFAULT (datetime())
) STRICT`

// applicationID marks a file whose first tables are ours ("TIDE"), for file(1) and the like. Nothing depends on it.
const applicationID = 0x54494445

// Migrate implements driver.Migrator. Open has called it already. Tables of the user's are left alone.
func (s *Store) Migrate(ctx context.Context) error {
	scripts, err := scripts()
	if err != nil {
		return err
	}
	var done int
	err = s.read(ctx, func(q sqlx.QueryerContext) error {
		done, err = schemaVersion(ctx, q)
		return err
	})
	if err == nil && done > len(scripts) {
		err = newerSchema(done, len(scripts))
	}
	if err == nil && done < len(scripts) {
		err = sqltx.In(ctx, s.writer.db, func(ctx context.Context) error { return migrate(ctx, scripts) })
	}
	return s.file.wrap(ctx, "bring the tables up to date", err)
}

func newerSchema(have, know int) error {
	return fmt.Errorf("the tables have schema version %d, written by a later release of Tidemark; this release knows "+
		"versions up to %d: upgrade this program, or open a copy that was made before", have, know)
}

type script struct{ name, sql string }

func scripts() ([]script, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]script, len(names))
	for i, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all[i] = script{strings.TrimSuffix(strings.TrimPrefix(name, "migrations/"), ".sql"), string(text)}
	}
	return all, nil
}

// migrate runs in a transaction, so it looks again: another process may have been faster.
func migrate(ctx context.Context, scripts []script) error {
	tx, _ := sqltx.From(ctx)
	done, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	if done > len(scripts) {
		return newerSchema(done, len(scripts))
	}
	if err := refuseTaken(ctx, tx, scripts[done:]); err != nil {
		return err
	}
	if done == 0 {
		if err := begin(ctx, tx); err != nil {
			return err
		}
	}
	for i, script := range scripts[done:] {
		if err := exec(ctx, tx, script.sql); err != nil {
			return fmt.Errorf("migration %s: %w", script.name, err)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO main.tidemark_migrations (version, name) VALUES (?, ?)`, done+i+1, script.name)
		if err != nil {
			return err
		}
	}
	return nil
}

// created finds the names of what a script creates.
var created = regexp.MustCompile(`(?m)^CREATE [A-Z ]+ main\.(\w+)`)

// refuseTaken refuses to go on if something in the file has a name that the scripts are about to give to something of ours.
func refuseTaken(ctx context.Context, tx *sqlx.Tx, scripts []script) error {
	var names []string
	for _, script := range scripts {
		for _, match := range created.FindAllStringSubmatch(script.sql, -1) {
			names = append(names, match[1])
		}
	}
	array, err := jsonArray(names)
	if err != nil {
		return err
	}
	var taken []string
	err = tx.SelectContext(ctx, &taken, `SELECT type || ' ' || name FROM main.sqlite_schema
		WHERE lower(name) IN (SELECT value FROM json_each(?)) ORDER BY name`, array)
	if err == nil && len(taken) > 0 {
		err = foreign(strings.Join(taken, ", "))
	}
	return err
}

func foreign(what string) error {
	return fmt.Errorf("the file has something that is not Tidemark's under a name that Tidemark needs: %s: rename it, or keep the "+
		"events in a file of their own", what)
}

// begin prepares a database without our tables.
func begin(ctx context.Context, tx *sqlx.Tx) error {
	var tables, id int
	err := errors.Join(
		tx.GetContext(ctx, &tables, `SELECT count(*) FROM main.sqlite_schema`),
		tx.GetContext(ctx, &id, `PRAGMA application_id`))
	if err != nil {
		return err
	}
	if tables == 0 && id == 0 {
		if err := exec(ctx, tx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
			return err
		}
	}
	return exec(ctx, tx, createMigrations)
}

// schemaVersion returns 0 for a database without our tables.
func schemaVersion(ctx context.Context, q sqlx.QueryerContext) (version int, err error) {
	var columns, ours int
	err = q.QueryRowxContext(ctx, `SELECT count(*), count(*) FILTER (WHERE name IN ('version', 'name', 'applied_at'))
		FROM pragma_table_info('tidemark_migrations', 'main')`).Scan(&columns, &ours)
	switch {
	case err != nil || columns == 0:
		return 0, err
	case ours < 3: // a later release may have more
		return 0, foreign("table tidemark_migrations")
	}
	err = q.QueryRowxContext(ctx, `SELECT coalesce(max(version), 0) FROM main.tidemark_migrations`).Scan(&version)
	return version, err
}

// enableWAL sets the journal mode, which stays with the file. SQLite does not wait for other connections while the mode
// changes, so a database that is being opened by several processes for the first time may need a few tries.
func (s *Store) enableWAL(ctx context.Context) error {
	if s.file.inMemory() {
		return nil
	}
	c, release, err := s.writer.acquire(ctx)
	if err == nil {
		err = setWAL(ctx, c)
		release()
	}
	return s.file.wrap(ctx, "switch to write-ahead logging", err)
}

func setWAL(ctx context.Context, c *sqlx.Conn) error {
	var mode string
	if err := c.GetContext(ctx, &mode, "PRAGMA journal_mode"); err != nil || mode == "wal" {
		return err
	}
	if _, err := lockExec(ctx, c, "PRAGMA journal_mode = WAL", nil); err != nil {
		return err
	}
	if err := c.GetContext(ctx, &mode, "PRAGMA journal_mode"); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the journal mode stays %q: the file system has no shared memory, as with some network "+
			"drives: use a local one", mode)
	}
	return nil
}
