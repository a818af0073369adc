package postgres

import (
	"context"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// A filter stands in a CASE because the planner knows nothing of what is in there. Of an OR it believes that hardly any
// row passes, so that it would rather sort them than read them in order.
//
// The rows may come over another connection than the mark, and a pool that reaches several servers may have it to a standby
// that is behind: the statement itself fails there, before it has looked for a row, with the server's own error for
// pg_current_wal_lsn. It asks once.
const fromLog = `FROM {schema}.events
	WHERE (SELECT CASE WHEN pg_is_in_recovery() THEN pg_current_wal_lsn() IS NOT NULL ELSE true END)
		AND global_position > $2::bigint AND global_position <= $3::bigint
		AND CASE WHEN $4::text[] IS NULL THEN true ELSE event_type = ANY ($4::text[]) END
		AND CASE WHEN $5::text[] IS NULL THEN true ELSE stream_type = ANY ($5::text[]) END`

// ReadAll implements driver.Store.
//
// A reader far behind a mark that is known reads up to that one, and does not ask for a newer. Only if it comes to it
// before its page is cut, or with its end, it asks and reads on, so that it sees what was committed before the call, or that
// there is something.
func (s *Store) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	p, err := with(ctx, s, func(c conn) (driver.Page, error) {
		r := logReader{conn: c, q: q, page: page{limit: q.Limit, maxBytes: q.MaxBytes}, next: q.After}
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
		if err := r.readTo(ctx, known); err != nil || r.page.full() && r.next < known {
			return err
		}
	}
	mark, err := r.mark(ctx)
	if err != nil {
		return err
	}
	r.head = max(mark, r.known())
	if r.q.Limit == 0 {
		return nil
	}
	return r.readTo(ctx, r.head)
}

// mark returns the tide mark of now. What a transaction may read it finds out by itself.
func (r *logReader) mark(ctx context.Context) (int64, error) {
	if r.tx != nil {
		return r.readMark(ctx)
	}
	return r.store.scans.read(ctx, r.readMark)
}

// known returns a mark from which a page can be filled without asking. A transaction asks always: whether it may read
// the log at all is part of the answer.
func (r *logReader) known() int64 {
	if r.tx != nil {
		return 0
	}
	return r.store.mark.Load()
}

// A statement looks at no more than this many positions, so that it takes a bounded time whatever plan the server has
// for it. Where a filter lets little through, the next one looks at more.
const (
	firstStretch = 8192
	maxStretch   = 1 << 20
)

// readTo reads on up to a mark.
func (r *logReader) readTo(ctx context.Context, mark int64) error {
	types, streamTypes := orNull(r.q.Types), orNull(r.q.StreamTypes)
	if types == nil && streamTypes == nil {
		r.page.records = slices.Grow(r.page.records, int(min(int64(r.page.limit), max(mark-r.next, 0))))
	}
	stretch := max(firstStretch, int64(r.q.Limit))
	for r.next < mark && !r.page.full() {
		to := min(mark, r.next+stretch)
		if err := r.page.read(ctx, r.conn, r.store.sql.log, r.next, to, types, streamTypes); err != nil {
			return explainStandby(err)
		}
		r.next = to
		stretch = min(4*stretch, maxStretch)
	}
	if r.page.full() {
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
