package postgres

import (
	"context"
	"database/sql"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const (
	deadLetterColumns = `subscription_name, global_position, stream_type, stream_id, version, event_type, skipped, request,
	error, tries, first_at, last_at`

	saveDeadLetter = `INSERT INTO {schema}.dead_letters (` + deadLetterColumns + `)
VALUES ($1::text, $2::bigint, $3::text, $4::text, $5::bigint, $6::text, $7::boolean, $8::text, $9::text, $10::integer,
	$11::timestamptz, $12::timestamptz)
ON CONFLICT (subscription_name, global_position) DO UPDATE
SET stream_type = excluded.stream_type, stream_id = excluded.stream_id, version = excluded.version,
	event_type = excluded.event_type, skipped = excluded.skipped, request = excluded.request, error = excluded.error,
	tries = excluded.tries, first_at = excluded.first_at, last_at = excluded.last_at`

	deleteDeadLetter = `DELETE FROM {schema}.dead_letters WHERE subscription_name = $1::text AND global_position = $2::bigint`

	selectDeadLetters = `SELECT ` + deadLetterColumns + ` FROM {schema}.dead_letters
WHERE subscription_name = $1::text AND global_position > $2::bigint
ORDER BY global_position LIMIT $3::bigint`
)

// SaveDeadLetter implements driver.DeadLetterer.
func (s *Store) SaveDeadLetter(ctx context.Context, d driver.DeadLetter) error {
	_, err := with(ctx, s, func(c conn) (bool, error) {
		return c.row(ctx, s.sql.saveDeadLetter, nil, d.Projection, d.Position, d.Stream.Type, d.Stream.ID, d.Version, d.Type,
			d.Skipped, d.Request, d.Error, int64(d.Tries), timestamp(d.FirstAt), timestamp(d.LastAt))
	})
	return failed(ctx, "save a dead letter of "+d.Projection, err)
}

// DeleteDeadLetter implements driver.DeadLetterer.
func (s *Store) DeleteDeadLetter(ctx context.Context, projection string, position int64) error {
	_, err := with(ctx, s, func(c conn) (bool, error) { return c.row(ctx, s.sql.deleteDeadLetter, nil, projection, position) })
	return failed(ctx, "delete a dead letter of "+projection, err)
}

// DeadLetters implements driver.DeadLetterer.
func (s *Store) DeadLetters(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error) {
	list, err := with(ctx, s, func(c conn) (list []driver.DeadLetter, err error) {
		err = c.each(ctx, s.sql.selectDeadLetters, func(rows *sql.Rows) error {
			list = append(list, driver.DeadLetter{})
			return scanDeadLetter(rows, &list[len(list)-1])
		}, projection, after, int64(limit))
		return list, err
	})
	if err != nil {
		return nil, failed(ctx, "list the dead letters of "+projection, err)
	}
	return list, nil
}

func scanDeadLetter(rows *sql.Rows, d *driver.DeadLetter) error {
	err := rows.Scan(&d.Projection, &d.Position, &d.Stream.Type, &d.Stream.ID, &d.Version, &d.Type, &d.Skipped, &d.Request,
		&d.Error, &d.Tries, &d.FirstAt, &d.LastAt)
	d.FirstAt, d.LastAt = d.FirstAt.UTC(), d.LastAt.UTC()
	return err
}
