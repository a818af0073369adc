package postgres

import (
	"cmp"
	"context"
	"math"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const fromStream = `FROM {schema}.events
	WHERE stream_type = $2::text AND stream_id = $3::text AND version BETWEEN $4::bigint AND $5::bigint`

// ReadStream implements driver.Store.
func (s *Store) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	query := s.sql.stream
	if q.Backward {
		query = s.sql.streamBackward
	}
	to := cmp.Or(q.To, math.MaxInt64)
	records, err := with(ctx, s, func(c conn) ([]driver.Record, error) {
		p := page{limit: q.Limit, maxBytes: q.MaxBytes}
		err := p.read(ctx, c, query, q.Stream.Type, q.Stream.ID, q.From, to)
		return p.records, err
	})
	if err != nil {
		return nil, failed(ctx, "read stream "+q.Stream.String(), err)
	}
	return records, nil
}
