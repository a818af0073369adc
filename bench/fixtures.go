package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tidemark-go/tidemark/eventstore"
)

// fixtures are stores that several contests read and none changes, made when first asked for.
type fixtures struct {
	logs map[string]*tidemark
}

// logOf returns a store with so many events in it, or nil where there is no such database.
func (b *bench) logOf(ctx context.Context, dbms string, events int) (t *tidemark, err error) {
	key := fmt.Sprint(dbms, events)
	if t, ok := b.logs[key]; ok {
		return t, nil
	}
	err = b.keep(func() error {
		if t, err = b.on(ctx, dbms); t == nil || err != nil {
			return err
		}
		return t.fill(ctx, events)
	})
	b.remember(key, t)
	return t, err
}

func (f *fixtures) remember(key string, t *tidemark) {
	if f.logs == nil {
		f.logs = make(map[string]*tidemark)
	}
	f.logs[key] = t
}

// fill appends streams of ten events, fifty of them in a commit.
func (t *tidemark) fill(ctx context.Context, events int) error {
	const streams, each = 50, 10
	for n := 0; n < events; {
		var writes []eventstore.Write
		for range min(streams, (events-n)/each) {
			writes = append(writes, eventstore.Write{Stream: eventstore.StreamID{Type: streamType, ID: strconv.Itoa(n / each)},
				Expected: eventstore.NoStream, Events: toAppend(newEvents(n, each))})
			n += each
		}
		if _, err := t.store.AppendAll(ctx, writes...); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// settle has Postgres do at once what it would do at some time or other, in the middle of a turn.
func (t *tidemark) settle(ctx context.Context) error {
	query := "VACUUM (ANALYZE) " + t.table
	if t.raw.DriverName() == "sqlite3" {
		query = "PRAGMA wal_checkpoint(TRUNCATE)"
	}
	_, err := t.raw.ExecContext(ctx, query)
	return err
}
