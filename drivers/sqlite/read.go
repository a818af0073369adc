package sqlite

import (
	"context"
	"math"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const (
	// The plus signs are explained at ofStream.
	selectStream = `SELECT ` + recordColumns + ` FROM main.events
		WHERE stream_type = +?1 AND stream_id = +?2 AND version BETWEEN ?3 AND ?4 ORDER BY version `
	selectForward  = selectStream + `LIMIT +?5`
	selectBackward = selectStream + `DESC LIMIT +?5`
)

// ReadStream implements driver.Store.
func (s *Store) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	query := selectForward
	if q.Backward {
		query = selectBackward
	}
	to := q.To
	if to == 0 {
		to = math.MaxInt64
	}
	var records []driver.Record
	err := s.read(ctx, func(from sqlx.QueryerContext) error {
		rows, err := from.QueryxContext(ctx, query, q.Stream.Type, q.Stream.ID, q.From, to, q.Limit)
		if err != nil {
			return err
		}
		records, _, err = page(rows, fewRecords, q.Limit, q.MaxBytes)
		return err
	})
	return records, s.file.wrap(ctx, "read a stream", err)
}

// selectLog returns the query for a page of the log up to head, and its parameters. There are four texts, whatever the
// filters contain. The plus sign before stream_type keeps SQLite from going through the index of streams and sorting.
func selectLog(q driver.AllQuery, head int64) (query string, args []any, err error) {
	query = `SELECT ` + recordColumns + ` FROM main.events WHERE global_position > ? AND global_position <= ?`
	args = []any{q.After, head}
	for _, filter := range []struct {
		condition string
		values    []string
	}{
		{` AND event_type IN (SELECT value FROM json_each(?))`, q.Types},
		{` AND +stream_type IN (SELECT value FROM json_each(?))`, q.StreamTypes},
	} {
		if len(filter.values) == 0 {
			continue
		}
		array, err := jsonArray(filter.values)
		if err != nil {
			return "", nil, err
		}
		query += filter.condition
		args = append(args, array)
	}
	return query + ` ORDER BY global_position LIMIT +?`, append(args, q.Limit), nil
}

// ReadAll implements driver.Store. The mark is the highest position there is, asked for before the rows: writers commit
// in the order of positions, so everything up to it is visible to the statement that comes after.
func (s *Store) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	var p driver.Page
	err := s.read(ctx, func(from sqlx.QueryerContext) (err error) {
		p, err = s.readPage(ctx, from, q)
		return err
	})
	return p, s.file.wrap(ctx, "read the log", err)
}

func (s *Store) readPage(ctx context.Context, from sqlx.QueryerContext, q driver.AllQuery) (driver.Page, error) {
	head, err := s.head(ctx, from)
	if err != nil || q.Limit == 0 || head <= q.After {
		return driver.Page{Next: q.After, Head: head}, err
	}
	query, args, err := selectLog(q, head)
	if err != nil {
		return driver.Page{}, err
	}
	rows, err := from.QueryxContext(ctx, query, args...)
	if err != nil {
		return driver.Page{}, err
	}
	records, full, err := page(rows, expected(q, head), q.Limit, q.MaxBytes)
	if err != nil {
		return driver.Page{}, err
	}
	next := head
	if full {
		next = records[len(records)-1].Position
	}
	return driver.Page{Records: records, Next: next, Head: head}, nil
}

// fewRecords is room enough for most streams.
const fewRecords = 16

// expected returns how many records a page will have, about.
func expected(q driver.AllQuery, head int64) int {
	if len(q.Types)+len(q.StreamTypes) > 0 {
		return fewRecords
	}
	return int(min(head-q.After, int64(q.Limit)))
}

// head returns the tide mark. Inside a transaction that has appended it lies below that transaction's events.
func (s *Store) head(ctx context.Context, from sqlx.QueryerContext) (head int64, err error) {
	below := int64(math.MaxInt64)
	if _, inside := from.(*sqlx.Tx); inside {
		if first := s.firstPosition(ctx); first > 0 {
			below = first
		}
	}
	err = from.QueryRowxContext(ctx, `SELECT coalesce(max(global_position), 0) FROM main.events WHERE global_position < ?`,
		below).Scan(&head)
	return head, err
}

// read calls f with what ctx is to read from: its transaction, else a connection that sees all that is committed.
func (s *Store) read(ctx context.Context, f func(from sqlx.QueryerContext) error) error {
	tx, inside, err := sqltx.Of(ctx, s.writer.db)
	switch {
	case err != nil:
		return err
	case inside:
		return f(tx)
	case s.readers != nil:
		return patiently(ctx, s.writer.patience, func() error { return f(s.readers) })
	}
	c, release, err := s.writer.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	return f(c)
}
