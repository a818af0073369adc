package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// tailRead is how many of the newest events are read.
const tailRead = 100

func growths() []contest {
	var list []contest
	for _, dbms := range databases() {
		list = append(list, contest{
			name:  dbms + "/growth-append",
			title: title(dbms) + ": append 1 event to a store that has grown, 8 writers",
			unit:  "calls/s",
			enter: func(ctx context.Context, b *bench) ([]entrant, error) {
				return b.enterGrowth(ctx, dbms, func(t *tidemark, size int) entrant { return growthAppend(t, size, b.scale.turn) })
			},
		}, contest{
			name:  dbms + "/growth-tail",
			title: fmt.Sprintf("%s: read the newest %d events of a store that has grown", title(dbms), tailRead),
			unit:  "calls/s",
			enter: func(ctx context.Context, b *bench) ([]entrant, error) {
				return b.enterGrowth(ctx, dbms, func(t *tidemark, size int) entrant { return growthTail(t, size, b.scale.turn) })
			},
		})
	}
	return list
}

func growthName(size int) string { return thousands(size) + " events in it" }

func (b *bench) enterGrowth(ctx context.Context, dbms string, enter func(*tidemark, int) entrant) ([]entrant, error) {
	if len(b.scale.growth) == 0 {
		b.note("growth, which takes long: see make bench-full")
	}
	var list []entrant
	for _, size := range b.scale.growth {
		t, err := b.grown(ctx, dbms, size)
		if t == nil || err != nil {
			return nil, err
		}
		list = append(list, enter(t, size))
	}
	return list, nil
}

// grown returns a store of that size, which both contests use. They are not changed by the reader, and the appends are
// few beside what is there.
func (b *bench) grown(ctx context.Context, dbms string, size int) (t *tidemark, err error) {
	key := fmt.Sprint("grown ", dbms, size)
	if t, ok := b.logs[key]; ok {
		return t, nil
	}
	err = b.keep(func() error {
		if t, err = b.on(ctx, dbms); t == nil || err != nil {
			return err
		}
		return errors.Join(t.grow(ctx, size), t.settle(ctx))
	})
	b.remember(key, t)
	return t, err
}

const seedPostgres = `INSERT INTO tidemark.events (id, stream_id, stream_type, event_type, schema_version, content_type,
	event_data, metadata, version, global_position, created_at, append_size)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid, 'seed-' || ((g - 1) / 10), 'order', 'order.line_added',
	1, 'application/json', $1::json, $2::json, (g - 1) % 10 + 1, nextval('tidemark.events_position_seq'), now(),
	CASE WHEN g % 10 = 1 THEN 10 ELSE 0 END
FROM generate_series(1, $3::bigint) g`

const seedSQLite = `WITH RECURSIVE n (g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM n WHERE g < ?3)
INSERT INTO events (id, stream_id, stream_type, event_type, schema_version, content_type, event_data, metadata, version,
	created_at, append_size)
SELECT printf('00000000-0000-7000-8000-%012x', g), 'seed-' || ((g - 1) / 10), 'order', 'order.line_added', 1,
	'application/json', ?1, ?2, (g - 1) % 10 + 1, 1767225600000000 + g, CASE WHEN g % 10 = 1 THEN 10 ELSE 0 END
FROM n`

// grow puts rows into the table by one statement: it would take long to append as many.
func (t *tidemark) grow(ctx context.Context, size int) error {
	e := newEvent(1)
	payload, err1 := json.Marshal(e.payload)
	metadata, err2 := json.Marshal(e.metadata)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	query := seedSQLite
	if strings.HasPrefix(t.place, "postgres:") {
		query = seedPostgres
	}
	_, err := t.raw.ExecContext(ctx, query, string(payload), string(metadata), size)
	return err
}

func growthAppend(t *tidemark, size int, turn time.Duration) entrant {
	g := &appending{appender: t, load: load{workers: 8, events: 1, turn: turn}, stored: size}
	return entrant{name: growthName(size), kind: ours, turn: g.turnFor}
}

func growthTail(t *tidemark, size int, turn time.Duration) entrant {
	return entrant{name: growthName(size), kind: ours, turn: func(ctx context.Context) (sample, error) {
		head, err := t.store.Head(ctx)
		if err != nil {
			return sample{}, err
		}
		var took []time.Duration
		began := time.Now()
		for time.Since(began) < turn {
			start := time.Now()
			page, err := t.store.ReadAll(ctx, head-tailRead, nil)
			if err := errors.Join(err, expect("events", len(page.Events), tailRead)); err != nil {
				return sample{}, err
			}
			took = append(took, time.Since(start))
		}
		s := perSecond(len(took), time.Since(began))
		s.p50, s.p99 = percentile(took, 0.5), percentile(took, 0.99)
		return s, nil
	}}
}
