package postgres

import (
	"context"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const (
	loadCheckpoint = `SELECT position FROM {schema}.subscription_checkpoints WHERE subscription_name = $1::text`

	// A checkpoint that is not there stands at 0. Of two callers that insert or move it at once, the second waits for
	// the first to commit and then finds it moved. Before one is inserted the lock is taken that Acquire tries, see
	// lease.go.
	moveCheckpoint = `INSERT INTO {schema}.subscription_checkpoints AS c (subscription_name, position, updated_at)
SELECT $1::text, $3::bigint, $4::timestamptz
WHERE CASE WHEN $2::bigint = 0 THEN pg_advisory_xact_lock(` + leaseKey + `)::text IS NOT NULL
	ELSE EXISTS (SELECT FROM {schema}.subscription_checkpoints WHERE subscription_name = $1::text) END
ON CONFLICT (subscription_name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at
WHERE c.position = $2::bigint
RETURNING position`
)

// LoadCheckpoint implements driver.Checkpointer.
func (s *Store) LoadCheckpoint(ctx context.Context, name string) (int64, error) {
	position, err := with(ctx, s, func(c conn) (position int64, err error) {
		_, err = c.row(ctx, s.sql.loadCheckpoint, []any{&position}, name)
		return position, err
	})
	return position, failed(ctx, "load the checkpoint of "+name, err)
}

// SaveCheckpoint implements driver.Checkpointer.
func (s *Store) SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error {
	moved, err := with(ctx, s, func(c conn) (bool, error) {
		var position int64
		return c.row(ctx, s.sql.moveCheckpoint, []any{&position}, name, from, to, timestamp(at))
	})
	if err == nil && !moved {
		err = driver.ErrCheckpointMoved
	}
	return failed(ctx, "save the checkpoint of "+name, err)
}
