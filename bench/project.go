package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/projection"
)

const (
	nameReading    = "reading with decoding"
	nameBareWrites = "bare SQL writes"
	batchSize      = 500 // of those that write a SQL read model
)

func projections() []contest {
	var list []contest
	for _, dbms := range databases() {
		list = append(list, contest{
			name:  dbms + "/project-counter",
			title: title(dbms) + ": project the log into a counter",
			unit:  "events/s",
			enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterCounter(ctx, dbms) },
		}, contest{
			name:  dbms + "/project-sql",
			title: title(dbms) + ": project the log into a SQL read model",
			unit:  "events/s",
			enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterReadModel(ctx, dbms) },
		})
	}
	return list
}

// project runs a new projection over the whole log, once.
func (b *bench) project(ctx context.Context, t *tidemark, opts *projection.Options, handle func(context.Context, projection.Event[lineAdded]) error) error {
	b.made++
	name := fmt.Sprintf("bench-%d", b.made)
	p := projection.New(name, opts)
	projection.On(p, handle)
	runner, err := projection.NewRunner(t.store, nil, p)
	if err != nil {
		return err
	}
	head, err := t.store.Head(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	err = runner.WaitFor(ctx, name, head)
	cancel()
	return errors.Join(err, <-ended)
}

func (b *bench) enterCounter(ctx context.Context, dbms string) ([]entrant, error) {
	n := b.scale.log
	t, err := b.logOf(ctx, dbms, n)
	if t == nil || err != nil {
		return nil, err
	}
	timed := func(count func(ctx context.Context) (int, error)) func(ctx context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) {
			began := time.Now()
			got, err := count(ctx)
			return perSecond(n, time.Since(began)), errors.Join(err, expect("events", got, n))
		}
	}
	b.note("%s events; the checkpoint is stored with every batch, of 500 to 4,000", thousands(n))
	return []entrant{
		{name: nameTidemark, kind: ours, turn: timed(func(ctx context.Context) (counter int, err error) {
			err = b.project(ctx, t, nil, func(context.Context, projection.Event[lineAdded]) error {
				counter++
				return nil
			})
			return counter, err
		})},
		{name: nameReading, kind: ours, turn: timed(func(ctx context.Context) (int, error) {
			events, _, err := t.readLog(ctx)
			return events, err
		})},
	}, nil
}

// readModel is a table of totals that each event changes a row of.
type readModel struct {
	db     *sqlx.DB
	table  string
	upsert *sqlx.Stmt
}

func newReadModel(ctx context.Context, db *sqlx.DB, table string) (*readModel, error) {
	if err := executeAll(ctx, db, table, `CREATE TABLE {table} (sku text PRIMARY KEY, quantity bigint NOT NULL, total bigint NOT NULL)`); err != nil {
		return nil, err
	}
	query := strings.ReplaceAll(`INSERT INTO {table} (sku, quantity, total) VALUES (?, ?, ?)
		ON CONFLICT (sku) DO UPDATE SET quantity = {table}.quantity + excluded.quantity, total = {table}.total + excluded.total`,
		"{table}", table)
	upsert, err := db.PreparexContext(ctx, db.Rebind(query))
	return &readModel{db: db, table: table, upsert: upsert}, err
}

func (m *readModel) add(ctx context.Context, tx *sqlx.Tx, e lineAdded) error {
	_, err := tx.StmtxContext(ctx, m.upsert).ExecContext(ctx, e.SKU, e.Quantity, int64(e.Quantity)*e.Price)
	return err
}

// turn fills the read model anew, times that, and checks the sum.
func (m *readModel) turn(n int, fill func(ctx context.Context) error) func(ctx context.Context) (sample, error) {
	want := quantityOf(n)
	return func(ctx context.Context) (sample, error) {
		if _, err := m.db.ExecContext(ctx, "DELETE FROM "+m.table); err != nil {
			return sample{}, err
		}
		began := time.Now()
		if err := fill(ctx); err != nil {
			return sample{}, err
		}
		took := time.Since(began)
		var got int
		err := m.db.GetContext(ctx, &got, "SELECT sum(quantity) FROM "+m.table)
		return perSecond(n, took), errors.Join(err, expect("quantity", got, want))
	}
}

func (b *bench) enterReadModel(ctx context.Context, dbms string) ([]entrant, error) {
	n := b.scale.writes
	t, err := b.logOf(ctx, dbms, n)
	if t == nil || err != nil {
		return nil, err
	}
	projected, err1 := newReadModel(ctx, t.db, "totals_projected")
	bare, err2 := newReadModel(ctx, t.raw, "totals_bare")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	events := newEvents(0, n)
	b.note("%s events, one upsert each, %d in a transaction", thousands(n), batchSize)
	return []entrant{
		{name: nameTidemark, kind: ours, turn: projected.turn(n, func(ctx context.Context) error {
			return b.project(ctx, t, &projection.Options{BatchSize: batchSize}, func(ctx context.Context, e projection.Event[lineAdded]) error {
				tx, _ := sqltx.From(ctx)
				return projected.add(ctx, tx, e.Payload)
			})
		})},
		{name: nameBareWrites, kind: limit, turn: bare.turn(n, func(ctx context.Context) error { return bare.writeAll(ctx, events) })},
	}, nil
}

// writeAll writes events that are there already, in transactions of a batch each.
func (m *readModel) writeAll(ctx context.Context, events []event) error {
	for len(events) > 0 {
		n := min(batchSize, len(events))
		if err := sqltx.In(ctx, m.db, func(ctx context.Context) error {
			tx, _ := sqltx.From(ctx)
			for _, e := range events[:n] {
				if err := m.add(ctx, tx, e.payload.(lineAdded)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}
