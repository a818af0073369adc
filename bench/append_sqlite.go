package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

func sqliteAppends() []contest {
	var list []contest
	for _, l := range []load{{workers: 1, events: 1}, {workers: 8, events: 1}, {workers: 64, events: 1}, {workers: 8, events: 10}} {
		list = append(list, contest{
			name:  fmt.Sprintf("sqlite/append-%d/%d", l.events, l.workers),
			title: fmt.Sprintf("SQLite: append %s, %s", count(l.events, "event"), count(l.workers, "writer")),
			unit:  "events/s",
			enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterSQLiteAppend(ctx, l) },
		})
	}
	return list
}

func (b *bench) enterSQLiteAppend(ctx context.Context, l load) ([]entrant, error) {
	l.turn = b.scale.turn
	t, err := b.on(ctx, "sqlite")
	if err != nil {
		return nil, err
	}
	db, err := b.bareSQLite(ctx)
	if err != nil {
		return nil, err
	}
	usual, err := newTemplate(ctx, db, "events", bySequence, "")
	if err != nil {
		return nil, err
	}
	list := []entrant{appendEntrant(nameTidemark, ours, t, l), appendEntrant(nameTemplate, way, usual, l)}
	for _, rows := range []int{1, 100} {
		raw, err := b.newRawSQLite(ctx, rows)
		if err != nil {
			return nil, err
		}
		list = append(list, entrant{name: fmt.Sprintf("raw, %s/transaction", count(rows, "row")), kind: limit,
			turn: func(ctx context.Context) (sample, error) { return raw.turn(ctx, l.turn) }})
	}
	return list, nil
}

// rawSQLite inserts rows by one prepared statement on one connection, from one goroutine, however many writers the
// contest has: SQLite does not get faster by more.
type rawSQLite struct {
	db      *sqlx.DB
	insert  *sqlx.Stmt
	rows    int // in a transaction
	streams int
	stored  int
}

func (b *bench) newRawSQLite(ctx context.Context, rows int) (*rawSQLite, error) {
	db, err := b.bareSQLite(ctx)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	insert, err := db.PreparexContext(ctx, "INSERT INTO events "+wayColumns+") VALUES (?"+strings.Repeat(", ?", 10)+")")
	return &rawSQLite{db: db, insert: insert, rows: rows}, err
}

func (r *rawSQLite) turn(ctx context.Context, turn time.Duration) (sample, error) {
	var took []time.Duration
	began := time.Now()
	for time.Since(began) < turn {
		r.streams++
		n := max(perStream, r.rows)
		events := newEvents(r.streams*n, n)
		for i := 0; i < n; i += r.rows {
			start := time.Now()
			if err := r.commit(ctx, int64(i), events[i:i+r.rows]); err != nil {
				return sample{}, err
			}
			took = append(took, time.Since(start))
		}
	}
	n := len(took) * r.rows
	r.stored += n
	s := perSecond(n, time.Since(began))
	s.p50, s.p99 = percentile(took, 0.5), percentile(took, 0.99)
	return s, verify(ctx, r, r.stored)
}

func (r *rawSQLite) commit(ctx context.Context, version int64, events []event) error {
	if len(events) == 1 {
		return r.row(ctx, r.insert, version+1, &events[0])
	}
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	insert := tx.StmtxContext(ctx, r.insert)
	for i := range events {
		if err := r.row(ctx, insert, version+int64(i)+1, &events[i]); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func (r *rawSQLite) row(ctx context.Context, insert *sqlx.Stmt, version int64, e *event) error {
	args, err := rowArgs(strconv.Itoa(r.streams), version, e, time.Now().UnixMicro())
	if err == nil {
		_, err = insert.ExecContext(ctx, args...)
	}
	return err
}

func (r *rawSQLite) count(ctx context.Context) (int, error) { return countRows(ctx, r.db, "events") }
