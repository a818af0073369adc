package postgres

import (
	"context"
	"database/sql"
	"math"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// selectTail reads a snapshot, as a record at position 0, and the events after it: by version, the snapshot comes first.
const selectTail = `WITH snapshot AS MATERIALIZED (
	SELECT 0::bigint AS global_position, version, 0 AS append_size, schema_version, created_at,
		'00000000-0000-0000-0000-000000000000'::uuid AS id, stream_type, stream_id, snapshot_type AS event_type, content_type,
		snapshot_data AS event_data, snapshot_bytes AS event_bytes, NULL::json AS metadata, NULL::text[] AS tags
	FROM {schema}.snapshots
	WHERE stream_type = $2::text AND stream_id = $3::text
)
SELECT ` + recordColumns + ` FROM snapshot
UNION ALL (
	SELECT ` + recordColumns + ` FROM {schema}.events
	WHERE stream_type = $2::text AND stream_id = $3::text
		AND version > coalesce((SELECT version FROM snapshot), 0)
	ORDER BY version LIMIT $1::bigint
)
ORDER BY version`

// ReadTail implements driver.TailReader.
func (s *Store) ReadTail(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
	t, err := with(ctx, s, func(c conn) (tail, error) {
		t := tail{page: page{limit: q.Limit, maxBytes: q.MaxBytes}}
		err := t.read(ctx, c, q.Stream)
		return t, err
	})
	if err != nil {
		return nil, nil, failed(ctx, "read the tail of stream "+q.Stream.String(), err)
	}
	return t.snapshot, t.page.records, nil
}

// tail is a snapshot and a page of the events after it.
type tail struct {
	snapshot *driver.Snapshot
	page     page
}

func (t *tail) read(ctx context.Context, c conn, stream driver.StreamID) error {
	if t.page.mayBeLarge(c) {
		return t.readInTwo(ctx, c, stream)
	}
	s := newScanner()
	return c.each(ctx, c.store.sql.tail, func(rows *sql.Rows) error {
		if t.page.full() {
			return nil
		}
		r, err := s.scan(rows)
		switch {
		case err != nil:
			return err
		case r.Position == 0:
			t.snapshot = &driver.Snapshot{Stream: stream, Version: r.Version, Type: r.Type, Schema: r.Schema,
				ContentType: r.ContentType, Data: r.Data, RecordedAt: r.RecordedAt}
		default:
			t.page.add(c, r)
		}
		return nil
	}, int64(t.page.limit), stream.Type, stream.ID)
}

// readInTwo reads the events with an eye to their size.
func (t *tail) readInTwo(ctx context.Context, c conn, stream driver.StreamID) (err error) {
	from := int64(1)
	if t.snapshot, err = c.loadSnapshot(ctx, stream); err != nil {
		return err
	}
	if t.snapshot != nil {
		from = t.snapshot.Version + 1
	}
	return t.page.read(ctx, c, c.store.sql.stream, stream.Type, stream.ID, from, math.MaxInt64)
}
