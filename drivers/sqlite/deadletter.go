package sqlite

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const (
	deadLetterColumns = `subscription_name, global_position, stream_type, stream_id, version, event_type, skipped, request,
		error, tries, first_at, last_at`

	saveDeadLetter = `INSERT OR REPLACE INTO main.dead_letters (` + deadLetterColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	deleteDeadLetter = `DELETE FROM main.dead_letters WHERE subscription_name = ? AND global_position = ?`

	selectDeadLetters = `SELECT ` + deadLetterColumns + ` FROM main.dead_letters
		WHERE subscription_name = ? AND global_position > ? ORDER BY global_position LIMIT ?`
)

// SaveDeadLetter implements driver.DeadLetterer.
func (s *Store) SaveDeadLetter(ctx context.Context, d driver.DeadLetter) error {
	_, err := s.change(ctx, saveDeadLetter, d.Projection, d.Position, d.Stream.Type, d.Stream.ID, d.Version, d.Type, d.Skipped,
		d.Request, d.Error, int64(d.Tries), d.FirstAt.UnixMicro(), d.LastAt.UnixMicro())
	return s.file.wrap(ctx, "save a dead letter of "+d.Projection, err)
}

// DeleteDeadLetter implements driver.DeadLetterer.
func (s *Store) DeleteDeadLetter(ctx context.Context, projection string, position int64) error {
	_, err := s.change(ctx, deleteDeadLetter, projection, position)
	return s.file.wrap(ctx, "delete a dead letter of "+projection, err)
}

// DeadLetters implements driver.DeadLetterer.
func (s *Store) DeadLetters(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error) {
	var list []driver.DeadLetter
	err := s.read(ctx, func(from sqlx.QueryerContext) error {
		rows, err := from.QueryxContext(ctx, selectDeadLetters, projection, after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			d, err := scanDeadLetter(rows)
			if err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, s.file.wrap(ctx, "list the dead letters of "+projection, err)
	}
	return list, nil
}

func scanDeadLetter(rows *sqlx.Rows) (d driver.DeadLetter, err error) {
	var firstAt, lastAt int64
	err = rows.Scan(&d.Projection, &d.Position, &d.Stream.Type, &d.Stream.ID, &d.Version, &d.Type, &d.Skipped, &d.Request,
		&d.Error, &d.Tries, &firstAt, &lastAt)
	d.FirstAt, d.LastAt = time.UnixMicro(firstAt).UTC(), time.UnixMicro(lastAt).UTC()
	return d, err
}
