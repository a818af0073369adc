package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const saveSnapshot = `INSERT INTO main.snapshots
	(stream_type, stream_id, version, snapshot_type, schema_version, content_type, created_at, snapshot_data)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (stream_type, stream_id) DO UPDATE SET
	version = excluded.version, snapshot_type = excluded.snapshot_type, schema_version = excluded.schema_version,
	content_type = excluded.content_type, created_at = excluded.created_at, snapshot_data = excluded.snapshot_data
	WHERE excluded.version >= snapshots.version`

// SaveSnapshot implements driver.Snapshotter.
func (s *Store) SaveSnapshot(ctx context.Context, snapshot driver.Snapshot) error {
	_, err := s.change(ctx, saveSnapshot, snapshot.Stream.Type, snapshot.Stream.ID, snapshot.Version, snapshot.Type,
		int64(snapshot.Schema), snapshot.ContentType, snapshot.RecordedAt.UnixMicro(),
		payload(snapshot.ContentType, snapshot.Data))
	return s.file.wrap(ctx, "save a snapshot", err)
}

const loadSnapshot = `SELECT version, snapshot_type, schema_version, content_type, created_at, snapshot_data
	FROM main.snapshots WHERE stream_type = ? AND stream_id = ?`

// LoadSnapshot implements driver.Snapshotter.
func (s *Store) LoadSnapshot(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error) {
	snapshot := driver.Snapshot{Stream: stream}
	var createdAt int64
	err := s.read(ctx, func(from sqlx.QueryerContext) error {
		return from.QueryRowxContext(ctx, loadSnapshot, stream.Type, stream.ID).Scan(&snapshot.Version, &snapshot.Type,
			&snapshot.Schema, &snapshot.ContentType, &createdAt, &snapshot.Data)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return driver.Snapshot{}, false, nil
	}
	if err != nil {
		return driver.Snapshot{}, false, s.file.wrap(ctx, "load a snapshot", err)
	}
	snapshot.RecordedAt = time.UnixMicro(createdAt).UTC()
	return snapshot, true, nil
}
