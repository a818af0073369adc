package main

import (
	"context"
	"errors"
	"time"
)

const (
	nameSelect     = "SELECT + scan"
	nameSelectJSON = "SELECT + scan + encoding/json"
	nameJSON       = "encoding/json alone"
)

func logReads() []contest {
	var list []contest
	for _, dbms := range databases() {
		list = append(list, contest{
			name:  dbms + "/read-log",
			title: title(dbms) + ": read the whole log, decoded",
			unit:  "events/s",
			enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterReadLog(ctx, dbms) },
		})
	}
	return list
}

func (b *bench) enterReadLog(ctx context.Context, dbms string) ([]entrant, error) {
	n := b.scale.log
	t, err := b.logOf(ctx, dbms, n)
	if t == nil || err != nil {
		return nil, err
	}
	b.note("%s events", thousands(n))
	want := quantityOf(n)
	reader := func(name string, k kind, read func(ctx context.Context) (events, quantity int, err error)) entrant {
		return entrant{name: name, kind: k, turn: func(ctx context.Context) (sample, error) {
			began := time.Now()
			events, quantity, err := read(ctx)
			took := time.Since(began)
			if quantity > 0 {
				err = errors.Join(err, expect("quantity", quantity, want))
			}
			return perSecond(n, took), errors.Join(err, expect("events", events, n))
		}}
	}
	return []entrant{
		reader(nameTidemark, ours, t.readLog),
		reader(nameSelectJSON, limit, t.plainLog(true)),
		reader(nameSelect, limit, t.plainLog(false)),
		reader(nameJSON, limit, func(context.Context) (int, int, error) { return decodeOnly(n) }),
	}, nil
}

func (t *tidemark) readLog(ctx context.Context) (events, quantity int, err error) {
	for e, err := range t.store.All(ctx, 0, nil) {
		if err != nil {
			return events, quantity, err
		}
		events++
		quantity += e.Payload.(lineAdded).Quantity
	}
	return events, quantity, nil
}

func (t *tidemark) plainLog(decode bool) func(ctx context.Context) (events, quantity int, err error) {
	return func(ctx context.Context) (int, int, error) {
		st, err := t.raw.PreparexContext(ctx, "SELECT "+plainColumns+" FROM "+t.table+" ORDER BY global_position")
		if err != nil {
			return 0, 0, err
		}
		defer st.Close()
		p := plainReader{decode: decode}
		err = p.read(ctx, st)
		return p.events, p.quantity, err
	}
}

// decodeOnly decodes n events without reading any: the same few over and over.
func decodeOnly(n int) (events, quantity int, err error) {
	const different = 1000
	list, err := encodeAll(newEvents(0, different))
	if err != nil {
		return 0, 0, err
	}
	type pair struct{ payload, metadata []byte }
	pairs := make([]pair, len(list))
	for i, e := range list {
		pairs[i] = pair{[]byte(e.payload), []byte(e.metadata)}
	}
	for i := range n {
		p := pairs[i%different]
		if _, err := decode(p.payload, p.metadata); err != nil {
			return i, 0, err
		}
	}
	return n, 0, nil
}
