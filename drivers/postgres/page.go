package postgres

import (
	"context"
	"database/sql"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// pages is a statement that reads a page, in two forms. Their first parameter is the limit of records, and four follow
// that select. The plain form takes no notice of the page's bytes, and may send much in vain where events are large. The
// sized form takes them as its sixth parameter, and adds up what the payloads take in the table: compressed, they are
// smaller than when they arrive, and never larger, save for a header of up to 4 bytes. It costs the server half as much
// again. The precise cut is made when the rows arrive.
type pages struct{ plain, sized *statement }

// selectPage returns both forms of a query for rows in some order.
func selectPage(rows, order string) (plain, sized string) {
	page := rows + ` ORDER BY ` + order + ` LIMIT $1::bigint`
	plain = `SELECT ` + recordColumns + ` ` + page
	sized = `SELECT ` + recordColumns + ` FROM (
	SELECT e.*, sum(greatest(coalesce(pg_column_size(event_data), pg_column_size(event_bytes), 0) - 4, 0))
		OVER (ORDER BY ` + order + ` ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
	FROM (SELECT * ` + page + `) e
) page
WHERE coalesce(before, 0) < $6::bigint
ORDER BY ` + order
	return plain, sized
}

// page gathers records up to a limit of records and of bytes.
type page struct {
	scanner         *scanner
	records         []driver.Record
	bytes           int
	limit, maxBytes int
}

// read adds what a query finds, up to the limits.
func (p *page) read(ctx context.Context, c conn, query pages, selection ...any) error {
	if p.scanner == nil {
		p.scanner = newScanner()
	}
	st, args := query.plain, append([]any{int64(p.limit - len(p.records))}, selection...)
	if p.mayBeLarge(c) {
		st, args = query.sized, append(args, int64(p.maxBytes-p.bytes))
	}
	return c.each(ctx, st, func(rows *sql.Rows) error { return p.scan(c, rows) }, args...)
}

// mayBeLarge reports whether a page of the payloads that were seen so far may reach its limit of bytes.
func (p *page) mayBeLarge(c conn) bool { return c.store.largest.Load() > int64(p.maxBytes/p.limit) }

func (p *page) scan(c conn, rows *sql.Rows) error {
	if p.full() {
		return nil
	}
	r, err := p.scanner.scan(rows)
	if err != nil {
		return err
	}
	p.add(c, r)
	return nil
}

// fewRecords is room enough for most streams.
const fewRecords = 16

func (p *page) add(c conn, r driver.Record) {
	if p.records == nil {
		p.records = make([]driver.Record, 0, min(p.limit, fewRecords))
	}
	p.records = append(p.records, r)
	p.bytes += len(r.Data)
	c.store.largest.raise(int64(len(r.Data)))
}

func (p *page) full() bool { return len(p.records) >= p.limit || p.bytes >= p.maxBytes }
