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
	json, hexadecimal := payload(snap.ContentType, snap.Data)
	err := s.with(ctx, func(c conn) error {
		save := func() error {
			_, err := c.row(ctx, s.sql.saveSnapshot, nil, snap.Stream.Type, snap.Stream.ID, snap.Version, snap.Type,
				int64(snap.Schema), snap.ContentType, json, hexadecimal, timestamp(snap.RecordedAt))
			return err
		}
		if c.tx == nil {
			return save()
		}
		return c.savepoint(ctx, save)
	})
	return failed(ctx, "save the snapshot of stream "+snap.Stream.String(), err)
}

// LoadSnapshot implements driver.Snapshotter.
func (s *Store) LoadSnapshot(ctx context.Context, stream driver.StreamID) (snap driver.Snapshot, ok bool, err error) {
	snap.Stream = stream
	var binary []byte
	err = s.with(ctx, func(c conn) error {
		into := []any{&snap.Version, &snap.Type, &snap.Schema, &snap.ContentType, &snap.Data, &binary, &snap.RecordedAt}
		ok, err = c.row(ctx, s.sql.loadSnapshot, into, stream.Type, stream.ID)
		return err
	})
	if err != nil || !ok {
		return driver.Snapshot{}, false, failed(ctx, "load the snapshot of stream "+stream.String(), err)
	}
	if snap.Data == nil {
		snap.Data = binary
	}
	snap.RecordedAt = snap.RecordedAt.UTC()
	return snap, true, nil
}
