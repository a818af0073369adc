package postgres

import (
	"context"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const (
	loadSnapshot = `SELECT version, snapshot_type, schema_version, content_type, snapshot_data, snapshot_bytes, created_at
FROM {schema}.snapshots
WHERE stream_type = $1::text AND stream_id = $2::text`

	saveSnapshot = `INSERT INTO {schema}.snapshots AS s (stream_type, stream_id, version, snapshot_type, schema_version,
	content_type, snapshot_data, snapshot_bytes, created_at)
VALUES ($1::text, $2::text, $3::bigint, $4::text, $5::integer, $6::text, $7::json, decode($8::text, 'hex'), $9::timestamptz)
ON CONFLICT (stream_type, stream_id) DO UPDATE
SET version = excluded.version, snapshot_type = excluded.snapshot_type, schema_version = excluded.schema_version,
	content_type = excluded.content_type, snapshot_data = excluded.snapshot_data,
	snapshot_bytes = excluded.snapshot_bytes, created_at = excluded.created_at
WHERE s.version <= excluded.version`
)

// SaveSnapshot implements driver.Snapshotter.
func (s *Store) SaveSnapshot(ctx context.Context, snap driver.Snapshot) error {
	_, err := with(ctx, s, func(c conn) (struct{}, error) {
		if c.tx == nil {
			return struct{}{}, c.saveSnapshot(ctx, snap)
		}
		return struct{}{}, c.savepoint(ctx, func() error { return c.saveSnapshot(ctx, snap) })
	})
	return failed(ctx, "save the snapshot of stream "+snap.Stream.String(), err)
}

func (c conn) saveSnapshot(ctx context.Context, snap driver.Snapshot) error {
	json, hexadecimal := payload(snap.ContentType, snap.Data)
	_, err := c.row(ctx, c.store.sql.saveSnapshot, nil, snap.Stream.Type, snap.Stream.ID, snap.Version, snap.Type,
		int64(snap.Schema), snap.ContentType, json, hexadecimal, timestamp(snap.RecordedAt))
	return err
}

// LoadSnapshot implements driver.Snapshotter.
func (s *Store) LoadSnapshot(ctx context.Context, stream driver.StreamID) (snap driver.Snapshot, ok bool, err error) {
	found, err := with(ctx, s, func(c conn) (*driver.Snapshot, error) { return c.loadSnapshot(ctx, stream) })
	if err != nil || found == nil {
		return driver.Snapshot{}, false, failed(ctx, "load the snapshot of stream "+stream.String(), err)
	}
	return *found, true, nil
}

// loadSnapshot returns nil if there is none.
func (c conn) loadSnapshot(ctx context.Context, stream driver.StreamID) (*driver.Snapshot, error) {
	snap := driver.Snapshot{Stream: stream}
	var binary []byte
	into := []any{&snap.Version, &snap.Type, &snap.Schema, &snap.ContentType, &snap.Data, &binary, &snap.RecordedAt}
	ok, err := c.row(ctx, c.store.sql.loadSnapshot, into, stream.Type, stream.ID)
	if err != nil || !ok {
		return nil, err
	}
	if snap.Data == nil {
		snap.Data = binary
	}
	snap.RecordedAt = snap.RecordedAt.UTC()
	return &snap, nil
}
