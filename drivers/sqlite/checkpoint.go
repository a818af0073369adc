package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const loadCheckpoint = `SELECT position FROM main.subscription_checkpoints WHERE subscription_name = ?`

// LoadCheckpoint implements driver.Checkpointer.
func (s *Store) LoadCheckpoint(ctx context.Context, name string) (position int64, err error) {
	err = s.read(ctx, func(from sqlx.QueryerContext) error {
		return from.QueryRowxContext(ctx, loadCheckpoint, name).Scan(&position)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return position, s.file.wrap(ctx, "load a checkpoint", err)
}

const (
	moveCheckpoint = `UPDATE main.subscription_checkpoints SET position = ?2, updated_at = ?3
		WHERE subscription_name = ?1 AND position = ?4`
	// firstCheckpoint moves a checkpoint that stands at 0 or is not there yet.
	firstCheckpoint = `INSERT INTO main.subscription_checkpoints (subscription_name, position, updated_at) VALUES (?1, ?2, ?3)
		ON CONFLICT DO UPDATE SET position = ?2, updated_at = ?3 WHERE position = ?4`
)

// SaveCheckpoint implements driver.Checkpointer.
func (s *Store) SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error {
	query := moveCheckpoint
	if from == 0 {
		query = firstCheckpoint
	}
	moved, err := s.change(ctx, query, name, to, at.UnixMicro(), from)
	if err == nil && moved == 0 {
		err = driver.ErrCheckpointMoved
	}
	return s.file.wrap(ctx, "save the checkpoint of "+name, err)
}
