package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
)

const (
	nameCopy     = "COPY"
	nameMultiRow = "multi-row INSERT"
	namePq       = "lib/pq, one INSERT"
)

// bulkTable takes events the fastest ways that Postgres has, without looking at what is there.
type bulkTable struct {
	db     *sqlx.DB
	table  string
	single *sqlx.Stmt // for insertPrepared
	write  func(ctx context.Context, t *bulkTable, rows []bulkRow) error
}

// bulkRow are the values of wayColumns.
type bulkRow []any

func newBulkTable(ctx context.Context, db *sqlx.DB, table string,
	write func(context.Context, *bulkTable, []bulkRow) error) (*bulkTable, error) {
	t := &bulkTable{db: db, table: strings.ToLower(table), write: write}
	if err := makeTable(ctx, db, t.table); err != nil {
		return nil, err
	}
	var err error
	t.single, err = db.PreparexContext(ctx, "INSERT INTO "+t.table+" "+wayColumns+") VALUES "+places(strings.Count(wayColumns, ",")+1, 0))
	return t, err
}

func (t *bulkTable) append(ctx context.Context, stream string, version int64, events []event) error {
	rows := make([]bulkRow, len(events))
	for i := range events {
		var err error
		if rows[i], err = rowArgs(stream, version+int64(i)+1, &events[i], createdAt(t.db)); err != nil {
			return err
		}
	}
	return t.write(ctx, t, rows)
}

func (t *bulkTable) count(ctx context.Context) (int, error) { return countRows(ctx, t.db, t.table) }

func copyRows(ctx context.Context, t *bulkTable, rows []bulkRow) error {
	tx, err := t.db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	st, err := tx.PrepareContext(ctx, "COPY "+t.table+" "+wayColumns+") FROM STDIN")
	if err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := st.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	if _, err := st.ExecContext(ctx); err != nil {
		return err
	}
	if err := st.Close(); err != nil {
		return err
	}
	return tx.Commit()
}

func insertRows(ctx context.Context, t *bulkTable, rows []bulkRow) error {
	var args []any
	var values []string
	for _, row := range rows {
		values = append(values, places(len(row), len(args)))
		args = append(args, row...)
	}
	_, err := t.db.ExecContext(ctx, "INSERT INTO "+t.table+" "+wayColumns+") VALUES "+strings.Join(values, ", "), args...)
	return err
}

// insertPrepared is the least that a Go program does for a row.
func insertPrepared(ctx context.Context, t *bulkTable, rows []bulkRow) error {
	for _, row := range rows {
		if _, err := t.single.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return nil
}

// places are the parameters of a row, after so many others.
func places(n, after int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("$%d", after+i+1)
	}
	return "(" + strings.Join(list, ", ") + ")"
}
