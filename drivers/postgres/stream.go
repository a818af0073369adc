package postgres

import (
	"cmp"
	"context"
	"math"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// pageSize bounds a page by bytes on the server, so that a page of large events is not sent in vain. It adds up what the
// payloads take in the table, which their compressed form may make smaller than what they are, never larger; the
// precise cut is made when the rows arrive. The last 4 bytes taken off each are at least its header.
const pageSize = `sum(greatest(coalesce(pg_column_size(event_data), pg_column_size(event_bytes), 0) - 4, 0))`

const selectStream = `SELECT ` + recordColumns + ` FROM (
	SELECT e.*, ` + pageSize + `
		OVER (ORDER BY version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (
		SELECT ` + recordColumns + ` FROM {schema}.events
		WHERE stream_type = $1::text AND stream_id = $2::text AND version BETWEEN $3::bigint AND $4::bigint
		ORDER BY version
		LIMIT $5::bigint
	) e
) page
WHERE coalesce(before, 0) < $6::bigint
ORDER BY version`

// ReadStream implements driver.Store.
func (s *Store) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	st := s.sql.stream
	if q.Backward {
		st = s.sql.streamBackward
	}
	to := cmp.Or(q.To, math.MaxInt64)
	records, err := with(ctx, s, func(c conn) ([]driver.Record, error) {
		p := page{maxBytes: q.MaxBytes}
		err := c.each(ctx, st, p.scan, q.Stream.Type, q.Stream.ID, q.From, to, int64(q.Limit), int64(q.MaxBytes))
		return p.records, err
	})
	if err != nil {
		return nil, failed(ctx, "read stream "+q.Stream.String(), err)
	}
	return records, nil
}
