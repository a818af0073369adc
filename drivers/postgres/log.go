package postgres

import (
	"context"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const selectLog = `SELECT ` + recordColumns + ` FROM (
	SELECT e.*, ` + pageSize + `
		OVER (ORDER BY global_position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (
		SELECT ` + recordColumns + ` FROM {schema}.events
		WHERE global_position > $1::bigint AND global_position <= $2::bigint
			AND ($3::text[] IS NULL OR event_type = ANY ($3::text[]))
			AND ($4::text[] IS NULL OR stream_type = ANY ($4::text[]))
		ORDER BY global_position
		LIMIT $5::bigint
	) e
) page
WHERE coalesce(before, 0) < $6::bigint
ORDER BY global_position`

// ReadAll implements driver.Store.
//
// A reader far behind a mark that is known reads up to that one, and does not ask for a newer. Only if it comes to it
// before its page is cut, it asks and reads on, so that it sees what was committed before the call.
func (s *Store) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	p, err := with(ctx, s, func(c conn) (driver.Page, error) {
		r := logReader{conn: c, q: q, page: page{maxBytes: q.MaxBytes}, next: q.After}
		err := r.read(ctx)
		return driver.Page{Records: r.page.records, Next: r.next, Head: r.head}, err
	})
	if err != nil {
		return driver.Page{}, failed(ctx, "read the log", err)
	}
	return p, nil
}

// logReader reads one page.
type logReader struct {
	conn
	q    driver.AllQuery
	page page
	next int64 // read up to here
	head int64
}

func (r *logReader) read(ctx context.Context) error {
	if known := r.known(); known-r.next >= int64(r.q.Limit) && r.q.Limit > 0 {
		r.head = known
		if err := r.readTo(ctx, known); err != nil || r.cut() {
			return err
		}
	}
	mark, err := r.readMark(ctx)
	if err != nil {
		return err
	}
	r.head = max(mark, r.known())
	if r.q.Limit == 0 {
		return nil
	}
	return r.readTo(ctx, r.head)
}

// known returns a mark from which a page can be filled without asking. A transaction asks always: whether it may read
// the log at all is part of the answer.
func (r *logReader) known() int64 {
	if r.tx != nil {
		return 0
	}
	return r.store.mark.Load()
}

func (r *logReader) cut() bool { return r.page.full || len(r.page.records) == r.q.Limit }

// readTo reads on up to a mark.
func (r *logReader) readTo(ctx context.Context, mark int64) error {
	if mark <= r.next {
		return nil
	}
	left, bytes := int64(r.q.Limit-len(r.page.records)), int64(r.page.maxBytes-r.page.bytes)
	err := r.each(ctx, r.store.sql.log, r.page.scan, r.next, mark, orNull(r.q.Types), orNull(r.q.StreamTypes), left, bytes)
	if err != nil {
		return err
	}
	r.next = mark
	if r.cut() {
		r.next = r.page.records[len(r.page.records)-1].Position
	}
	return nil
}

func orNull(list []string) *string {
	if len(list) == 0 {
		return nil
	}
	s := texts(list)
	return &s
}
