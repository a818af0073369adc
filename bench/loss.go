package main

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore"
)

// lossName is the contest of a database in which writers append so many events at a time.
func lossName(dbms string, events int) string { return fmt.Sprintf("%s/loss-%d", dbms, events) }

func losses() []contest {
	var list []contest
	for _, dbms := range databases() {
		for _, n := range []int{1, 3} {
			list = append(list, contest{
				name:  lossName(dbms, n),
				title: fmt.Sprintf("%s: events that a checkpointing reader loses, 8 writers of %s each", title(dbms), count(n, "event")),
				unit:  "events lost",
				lower: true,
				enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterLoss(ctx, dbms, n) },
			})
		}
	}
	return list
}

func (b *bench) enterLoss(ctx context.Context, dbms string, n int) ([]entrant, error) {
	t, err := b.on(ctx, dbms)
	if t == nil || err != nil {
		return nil, err
	}
	l := load{workers: 8, events: n, turn: b.scale.loss}
	list := []entrant{lossEntrant(nameTidemark, ours, t, l, &tideReader{store: t.store})}
	if dbms == "sqlite" {
		return list, nil
	}
	for _, w := range pgWays() {
		a, err := w.open(ctx, t.raw)
		if err != nil {
			return nil, err
		}
		r, err := w.reader(ctx, t.raw, a.table)
		if err != nil {
			return nil, err
		}
		list = append(list, lossEntrant(w.name, way, a, l, r))
	}
	return list, nil
}

// checkpointReader reads what stands after its checkpoint, moves it, and returns how many events that were.
type checkpointReader interface {
	next(ctx context.Context) (int, error)
}

// lossEntrant races writers against a reader. What the reader has not seen when all is written and read, it has lost.
func lossEntrant(name string, k kind, a appender, l load, r checkpointReader) entrant {
	g := &appending{appender: a, load: l}
	return entrant{name: name, kind: k, turn: func(ctx context.Context) (sample, error) {
		stored := g.stored
		done := make(chan struct{})
		read := make(chan readResult, 1)
		go func() { read <- readUntil(ctx, r, done) }()
		_, err := g.turnFor(ctx)
		close(done)
		result := <-read
		if err == nil {
			err = result.err
		}
		written := g.stored - stored
		return sample{value: float64(written - result.events), of: written}, err
	}}
}

type readResult struct {
	events int
	err    error
}

// readUntil reads on until the writers are done and there is nothing left.
func readUntil(ctx context.Context, r checkpointReader, done <-chan struct{}) (result readResult) {
	for {
		over := closed(done) // before the read, so that what was committed at the end is still read
		n, err := r.next(ctx)
		result.events += n
		if err != nil || over && n == 0 {
			result.err = err
			return result
		}
	}
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// tideReader is Tidemark's.
type tideReader struct {
	store *eventstore.Store
	after int64
}

func (r *tideReader) next(ctx context.Context) (int, error) {
	page, err := r.store.ReadAll(ctx, r.after, nil)
	r.after = page.Next
	return len(page.Events), err
}

// positionReader remembers the highest position that it has seen, as most do.
type positionReader struct {
	query *sqlx.Stmt
	after int64
}

func (r *positionReader) next(ctx context.Context) (int, error) {
	var positions []int64
	err := r.query.SelectContext(ctx, &positions, r.after)
	if len(positions) > 0 {
		r.after = positions[len(positions)-1]
	}
	return len(positions), err
}

// xminReader reads in the order of transactions, and only those older than any that is still open.
type xminReader struct {
	query *sqlx.Stmt
	after struct {
		Transaction string `db:"transaction_id"`
		Position    int64  `db:"global_position"`
	}
}

func (r *xminReader) next(ctx context.Context) (n int, err error) {
	rows, err := r.query.QueryxContext(ctx, r.after.Transaction, r.after.Position)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		if err := rows.StructScan(&r.after); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}

func (w pgWay) reader(ctx context.Context, db *sqlx.DB, table string) (checkpointReader, error) {
	if !w.xmin {
		query, err := db.PreparexContext(ctx, "SELECT global_position FROM "+table+
			" WHERE global_position > $1 ORDER BY global_position LIMIT 500")
		return &positionReader{query: query}, err
	}
	query, err := db.PreparexContext(ctx, `SELECT transaction_id::text, global_position FROM `+table+`
		WHERE (transaction_id, global_position) > ($1::text::xid8, $2)
			AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
		ORDER BY transaction_id, global_position LIMIT 500`)
	r := &xminReader{query: query}
	r.after.Transaction = "0"
	return r, err
}
