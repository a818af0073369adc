package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

func TestConformanceInFile(t *testing.T)   { drivertest.Run(t, openFile) }
func TestConformanceInMemory(t *testing.T) { drivertest.Run(t, openMemory) }

func TestModelInFile(t *testing.T)   { drivertest.RunModel(t, openReference, openFile) }
func TestModelInMemory(t *testing.T) { drivertest.RunModel(t, openReference, openMemory) }

func BenchmarkDriver(b *testing.B) { drivertest.Benchmark(b, openFile) }

func openReference(context.Context) (*drivertest.Database, error) {
	return &drivertest.Database{Store: memory.New()}, nil
}

func openMemory(ctx context.Context) (*drivertest.Database, error) {
	s, err := sqlite.Open(ctx, ":memory:", nil)
	return &drivertest.Database{Store: s, OneWriter: true, OneConnection: true}, err
}

func openFile(ctx context.Context) (*drivertest.Database, error) {
	dir, err := os.MkdirTemp("", "tidemark")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "events.db")
	reopen := func(ctx context.Context) (driver.Store, error) { return sqlite.Open(ctx, path, nil) }
	s, err := reopen(ctx)
	return &drivertest.Database{
		Store:     s,
		Reopen:    reopen,
		OneWriter: true,
		Restore: func(ctx context.Context) (driver.Store, error) {
			restored := filepath.Join(dir, "restored.db")
			if err := restore(ctx, path, restored); err != nil {
				return nil, err
			}
			return sqlite.Open(ctx, restored, nil)
		},
		Damage: func(ctx context.Context, stream driver.StreamID, version int64) error {
			return damage(ctx, path, stream, version)
		},
		Remove: func() error { return os.RemoveAll(dir) },
	}, err
}

func damage(ctx context.Context, path string, stream driver.StreamID, version int64) error {
	db, err := sqlx.Open("sqlite3", path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `DROP TRIGGER events_no_update;
		UPDATE events SET id = 'damaged' WHERE stream_type = ? AND stream_id = ? AND version = ?`,
		stream.Type, stream.ID, version)
	return err
}

// restore does what "sqlite3 from .dump | sqlite3 to" does: everything goes through SQL text.
func restore(ctx context.Context, from, to string) error {
	source, err := sqlx.Open("sqlite3", from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := sqlx.Open("sqlite3", to)
	if err != nil {
		return err
	}
	defer target.Close()
	script, err := dump(ctx, source)
	if err != nil {
		return err
	}
	_, err = target.ExecContext(ctx, script)
	return err
}

func dump(ctx context.Context, db *sqlx.DB) (string, error) {
	var objects []struct {
		Type, Name string
		SQL        sql.NullString
	}
	err := db.SelectContext(ctx, &objects, `SELECT type, name, sql FROM sqlite_schema
		WHERE name NOT LIKE 'sqlite_%' AND type <> 'index' ORDER BY type = 'trigger'`)
	script := []string{"BEGIN"}
	for _, o := range objects {
		script = append(script, o.SQL.String)
		if o.Type == "table" && err == nil {
			script, err = dumpRows(ctx, db, script, o.Name)
		}
	}
	if err == nil {
		script = append(script, "DELETE FROM sqlite_sequence")
		script, err = dumpRows(ctx, db, script, "sqlite_sequence")
	}
	return strings.Join(append(script, "COMMIT"), ";\n"), err
}

func dumpRows(ctx context.Context, db *sqlx.DB, script []string, table string) ([]string, error) {
	var columns []string
	if err := db.SelectContext(ctx, &columns, `SELECT name FROM pragma_table_info(?)`, table); err != nil {
		return nil, err
	}
	var rows []string
	query := fmt.Sprintf(`SELECT 'INSERT INTO %s VALUES (' || quote(%s) || ')' FROM %s`,
		table, strings.Join(columns, ") || ',' || quote("), table)
	err := db.SelectContext(ctx, &rows, query)
	return append(script, rows...), err
}
