package main

import (
	"context"
	"fmt"
)

func postgresAppends() []contest {
	var list []contest
	for _, l := range []load{{workers: 1, events: 1}, {workers: 8, events: 1}, {workers: 64, events: 1}, {workers: 8, events: 10}} {
		list = append(list, contest{
			name:  fmt.Sprintf("postgres/append-%d/%d", l.events, l.workers),
			title: fmt.Sprintf("Postgres: append %s, %s", count(l.events, "event"), count(l.workers, "writer")),
			unit:  "events/s",
			more:  2,
			enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterPostgresAppend(ctx, l) },
		})
	}
	return list
}

func (b *bench) enterPostgresAppend(ctx context.Context, l load) ([]entrant, error) {
	l.turn = b.scale.turn
	t, err := b.on(ctx, "postgres")
	if t == nil || err != nil {
		return nil, err
	}
	list := []entrant{appendEntrant(nameTidemark, ours, t, l)}
	for _, w := range pgWays() {
		if w.xmin {
			continue // it writes as the template does
		}
		a, err := w.open(ctx, t.raw)
		if err != nil {
			return nil, err
		}
		list = append(list, appendEntrant(w.name, way, a, l))
	}
	limits, err := b.postgresLimits(ctx, t, l)
	return append(list, limits...), err
}

// postgresLimits writes the same rows without being an event store: no version is checked, and no reader is thought of.
func (b *bench) postgresLimits(ctx context.Context, t *tidemark, l load) ([]entrant, error) {
	if l.events == 1 {
		return b.singleRowLimits(ctx, t, l)
	}
	var list []entrant
	for _, m := range []struct {
		name string
		bulk func(ctx context.Context, t *bulkTable, rows []bulkRow) error
	}{{nameCopy, copyRows}, {nameMultiRow, insertRows}} {
		table, err := newBulkTable(ctx, t.raw, "limit_"+m.name[:4], m.bulk)
		if err != nil {
			return nil, err
		}
		list = append(list, appendEntrant(m.name, limit, table, l))
	}
	return list, nil
}

// singleRowLimits are what a C program and what a Go program can do that only insert.
func (b *bench) singleRowLimits(ctx context.Context, t *tidemark, l load) ([]entrant, error) {
	insert, err := newBulkTable(ctx, t.raw, "limit_pq", insertPrepared)
	if err != nil {
		return nil, err
	}
	list := []entrant{appendEntrant(namePq, limit, insert, l)}
	p, err := newPgbench(ctx, b, t)
	if p == nil || err != nil {
		return list, err
	}
	return append(list, p.entrant(l)), nil
}

// count puts a number before a noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}
