package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// errConflict is what a way reports if the stream is not at the version that the writer has seen.
var errConflict = errors.New("the stream is at another version")

// template is the usual way to append: begin, ask for the stream's version, insert event by event, commit. The other
// ways differ in what they do in between to keep the global order.
type template struct {
	db     *sqlx.DB
	table  string
	order  ordering
	begin  string // a statement before anything else, for ways that take a lock
	max    *sqlx.Stmt
	insert *sqlx.Stmt
	next   *sqlx.Stmt // for orderings by a counter row
}

// ordering is how a way numbers events.
type ordering int

const (
	bySequence ordering = iota // the column's default
	byCounter                  // a row that each transaction updates, and so holds until it has committed
)

const wayColumns = `(id, stream_id, stream_type, event_type, schema_version, content_type, event_data, metadata, version,
	created_at, append_size`

func newTemplate(ctx context.Context, db *sqlx.DB, table string, order ordering, begin string) (*template, error) {
	t := &template{db: db, table: table, order: order, begin: begin}
	var err error
	prepare := func(query string) *sqlx.Stmt {
		st, prepareErr := db.PreparexContext(ctx, db.Rebind(query))
		err = errors.Join(err, prepareErr)
		return st
	}
	t.max = prepare(`SELECT coalesce(max(version), 0) FROM ` + table + ` WHERE stream_type = ? AND stream_id = ?`)
	columns, places := wayColumns, 11
	if order == byCounter {
		t.next = prepare(`UPDATE ` + table + `_counter SET position = position + ? RETURNING position`)
		columns, places = columns+", global_position", 12
	}
	t.insert = prepare(`INSERT INTO ` + table + ` ` + columns + `) VALUES (?` + strings.Repeat(", ?", places-1) + `)`)
	return t, err
}

func (t *template) append(ctx context.Context, stream string, version int64, events []event) error {
	tx, err := t.db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if t.begin != "" {
		if _, err := tx.ExecContext(ctx, t.begin); err != nil {
			return err
		}
	}
	if err := t.store(ctx, tx, stream, version, events); err != nil {
		return err
	}
	return tx.Commit()
}

func (t *template) store(ctx context.Context, tx *sqlx.Tx, stream string, version int64, events []event) error {
	var stored int64
	if err := tx.StmtxContext(ctx, t.max).GetContext(ctx, &stored, streamType, stream); err != nil {
		return err
	}
	if stored != version {
		return errConflict
	}
	positions, err := t.positions(ctx, tx, len(events))
	if err != nil {
		return err
	}
	insert := tx.StmtxContext(ctx, t.insert)
	for i := range events {
		args, err := rowArgs(stream, version+int64(i)+1, &events[i], createdAt(t.db))
		if err != nil {
			return err
		}
		if t.order == byCounter {
			args = append(args, positions-int64(len(events)-i-1))
		}
		if _, err := insert.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// positions returns the last of n positions, for a way that hands them out by itself.
func (t *template) positions(ctx context.Context, tx *sqlx.Tx, n int) (last int64, err error) {
	if t.order == byCounter {
		err = tx.StmtxContext(ctx, t.next).GetContext(ctx, &last, n)
	}
	return last, err
}

func (t *template) count(ctx context.Context) (int, error) { return countRows(ctx, t.db, t.table) }

// rowArgs are the values of wayColumns.
func rowArgs(stream string, version int64, e *event, at any) ([]any, error) {
	enc, err := encode(e)
	if err != nil {
		return nil, err
	}
	return append(make([]any, 0, 12), enc.id, stream, streamType, e.typ, 1, "application/json", enc.payload,
		enc.metadata, version, at, 1), nil
}

// createdAt is the time as Tidemark's tables keep it.
func createdAt(db *sqlx.DB) any {
	if db.DriverName() == "sqlite3" {
		return time.Now().UnixMicro()
	}
	return time.Now().UTC()
}

// pgWay is a widespread way on Postgres.
type pgWay struct {
	name  string
	begin string // {table} is the way's table
	order ordering
	xmin  bool // its readers look at transaction ids
}

// pgWays are written from their descriptions. All but the first and the last serialise their writers.
func pgWays() []pgWay {
	return []pgWay{
		{name: "max(version) template"},
		{name: "table lock", begin: "LOCK TABLE {table} IN EXCLUSIVE MODE"},
		{name: "counter row", order: byCounter},
		{name: "advisory lock", begin: "SELECT pg_advisory_xact_lock(4711)"},
		{name: "xmin reader", xmin: true},
	}
}

// serialises reports whether its writers wait for each other's commits.
func (w pgWay) serialises() bool { return w.begin != "" || w.order == byCounter }

// open makes the way's table, which has the columns and indexes of Tidemark's.
func (w pgWay) open(ctx context.Context, db *sqlx.DB) (*template, error) {
	table := "way_" + strings.NewReplacer(" ", "_", "(", "_", ")", "").Replace(w.name)
	if err := makeTable(ctx, db, table); err != nil {
		return nil, err
	}
	var more []string
	if w.order == byCounter {
		more = []string{`CREATE TABLE {table}_counter (position bigint NOT NULL)`, `INSERT INTO {table}_counter VALUES (0)`}
	}
	if w.xmin {
		more = []string{`ALTER TABLE {table} ADD transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id()`,
			`CREATE INDEX ON {table} (transaction_id, global_position)`}
	}
	if err := executeAll(ctx, db, table, more...); err != nil {
		return nil, err
	}
	return newTemplate(ctx, db, table, w.order, strings.ReplaceAll(w.begin, "{table}", table))
}

// makeTable makes a copy of Tidemark's table that numbers its rows by a sequence.
func makeTable(ctx context.Context, db *sqlx.DB, table string) error {
	return executeAll(ctx, db, table,
		`CREATE TABLE {table} (LIKE tidemark.events INCLUDING ALL)`,
		`CREATE SEQUENCE {table}_seq OWNED BY {table}.global_position`,
		`ALTER TABLE {table} ALTER global_position SET DEFAULT nextval('{table}_seq')`)
}

func executeAll(ctx context.Context, db *sqlx.DB, table string, statements ...string) error {
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, strings.ReplaceAll(s, "{table}", table)); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
