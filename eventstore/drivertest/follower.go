package drivertest

import (
	"context"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// follower reads the global log from where it left off.
type follower struct {
	q       driver.AllQuery
	records []driver.Record // all that it was given
}

// newFollower returns a reader of the whole log.
func newFollower() *follower {
	return &follower{q: driver.AllQuery{Limit: plenty, MaxBytes: manyBytes}}
}

// next reads a page. It reports whether the page was cut, so that more may follow.
func (f *follower) next(ctx context.Context, drv driver.Store) (more bool, err error) {
	page, err := readPage(ctx, drv, f.q)
	if err != nil {
		return false, err
	}
	f.records = append(f.records, page.Records...)
	more = wasCut(f.q, page)
	f.q.After = page.Next
	return more, nil
}

// toHead reads until there is no more.
func (f *follower) toHead(ctx context.Context, drv driver.Store) error {
	for {
		if more, err := f.next(ctx, drv); err != nil || !more {
			return err
		}
	}
}

// log reads the whole global log.
func (h *handle) log() []driver.Record {
	f := newFollower()
	h.p.ok(f.toHead(h.p.ctx, h.drv), "read the global log")
	return f.records
}

// head returns the tide mark.
func (h *handle) head() int64 {
	page, err := readPage(h.p.ctx, h.drv, driver.AllQuery{MaxBytes: 1})
	h.p.ok(err, "ask for the head")
	return page.Head
}

// readPage reads a page and checks what holds for every page.
func readPage(ctx context.Context, drv driver.Store, q driver.AllQuery) (driver.Page, error) {
	page, err := drv.ReadAll(ctx, q)
	if err == nil {
		err = checkPage(q, page)
	}
	return page, err
}

func checkPage(q driver.AllQuery, page driver.Page) error {
	last := q.After
	for _, r := range page.Records {
		if r.Position <= last {
			return fmt.Errorf("page after position %d: position %d comes after %d", q.After, r.Position, last)
		}
		last = r.Position
	}
	switch {
	case len(page.Records) > q.Limit:
		return fmt.Errorf("page after position %d: %d records, the limit is %d", q.After, len(page.Records), q.Limit)
	case len(page.Records) > 0 && page.Head < last:
		return fmt.Errorf("page after position %d: Head is %d, its last position %d", q.After, page.Head, last)
	case q.Limit == 0 && page.Next < q.After:
		return fmt.Errorf("page after position %d: Next is %d, which goes back", q.After, page.Next)
	case wasCut(q, page) && page.Next != last:
		return fmt.Errorf("page after position %d: it was cut at position %d, but Next is %d", q.After, last, page.Next)
	case q.Limit > 0 && !wasCut(q, page) && page.Next != max(page.Head, q.After):
		return fmt.Errorf("page after position %d: it was not cut, Head is %d, but Next is %d", q.After, page.Head, page.Next)
	}
	return nil
}

// wasCut reports whether a page ends because it is full.
func wasCut(q driver.AllQuery, page driver.Page) bool {
	return len(page.Records) > 0 && (len(page.Records) >= q.Limit || size(page.Records) >= q.MaxBytes)
}

func size(records []driver.Record) int {
	n := 0
	for _, r := range records {
		n += len(r.Data)
	}
	return n
}
