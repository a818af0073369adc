package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// ReadOptions selects from the global log. The zero value reads all of it.
type ReadOptions struct {
	// Types keeps only events with one of these current names, whatever names they were stored under. Default: all.
	// With Raw, it keeps what is stored under these names or under names that lead to them.
	Types []string
	// StreamTypes keeps only events of streams of one of these types. Default: all.
	StreamTypes []string
	// Only, if set, keeps only events for which it returns true. It is asked before an event is decoded, so that one that
	// can't be does no harm where it is not wanted. The database hands out the others too, and Limit counts them.
	Only func(stream StreamID, position int64) bool
	// Limit is the number of stored events after which a page (ReadAll) or the iteration (All, Subscribe) ends.
	// Default: 500 for a page, no limit for an iteration.
	Limit int
	// Raw returns events as they are stored: neither upcast nor decoded, unknown ones included.
	Raw bool
}

const defaultPage = 500

// Page is a part of the global log.
type Page struct {
	Events []Event
	// Next is where to continue. It advances over events that were filtered out, and nothing will ever appear at or
	// below it that was not handed out.
	Next int64
	// Head is the tide mark: the position up to which the log is complete. The page came to it if Next equals Head;
	// otherwise there is more to read, and the mark may have moved on already.
	Head int64

	changed <-chan struct{} // closed once there may be more than was looked for
}

// ReadAll returns one page of the global log: what stands after position after, up to the tide mark. A reader that
// continues from Page.Next gets every committed event exactly once, in an order that keeps each stream's. Positions
// grow, with gaps. With a *DecodeError comes the page up to the event that can't be decoded.
func (s *Store) ReadAll(ctx context.Context, after int64, opts *ReadOptions) (Page, error) {
	r, err := s.reader(after, opts)
	if err != nil {
		return Page{}, err
	}
	p, _, err := logPages{r}.next(ctx)
	if err != nil {
		return Page{}, err
	}
	return r.decoded(ctx, after, p)
}

// Pages iterates over the pages that ReadAll returns one after the other, from after position after to the tide mark,
// then ends. While a page is decoded, and while the loop's body runs, the next one is fetched already. An error comes
// last; with a *DecodeError comes the page up to the event that can't be decoded.
func (s *Store) Pages(ctx context.Context, after int64, opts *ReadOptions) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		r, err := s.reader(after, opts)
		if err != nil {
			yield(Page{}, err)
			return
		}
		a := ahead[logPage]{pages: logPages{r}}
		defer a.stop()
		for more := true; more; {
			var p logPage
			if p, more, err = a.next(ctx); err != nil {
				yield(Page{}, err)
				return
			}
			if more && r.mayReadAhead(ctx) {
				a.start(ctx)
			}
			if err = ctx.Err(); err != nil { // which what was read ahead has not met
				yield(Page{}, fmt.Errorf("eventstore: read the log after position %d: %w", after, err))
				return
			}
			page, err := r.decoded(ctx, after, p)
			if !yield(page, err) || err != nil {
				return
			}
			after = p.Next
		}
	}
}

// All iterates over the global log from after position after to the tide mark, then ends. Errors and the loop's body
// are treated as in Stream.
func (s *Store) All(ctx context.Context, after int64, opts *ReadOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r, err := s.reader(after, opts)
		if err == nil {
			_, err = r.toHead(ctx, yield)
		}
		if err != nil {
			yield(Event{}, err)
		}
	}
}

// Head returns the tide mark: the position up to which the global log is complete, 0 for an empty one.
func (s *Store) Head(ctx context.Context) (int64, error) {
	page, err := s.readAll(ctx, driver.AllQuery{MaxBytes: 1})
	if err != nil {
		return 0, fmt.Errorf("eventstore: ask for the head: %w", err)
	}
	return page.Head, nil
}

// logReader goes through the global log page by page.
type logReader struct {
	decoding
	q     driver.AllQuery
	limit int // of the caller; 0 for none
	left  int // events until the limit, for an iteration
}

func (s *Store) reader(after int64, opts *ReadOptions) (*logReader, error) {
	var o ReadOptions
	if opts != nil {
		o = *opts
	}
	if after < 0 || o.Limit < 0 {
		return nil, fmt.Errorf("eventstore: read the log: position %d and Limit %d must not be negative", after, o.Limit)
	}
	for _, name := range slices.Concat(o.Types, o.StreamTypes) {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("eventstore: read the log: the filter by type %.80q %w: no event has such a type", name, err)
		}
	}
	r := &logReader{limit: o.Limit, left: math.MaxInt}
	if o.Limit > 0 {
		r.left = o.Limit
	}
	r.store, r.raw, r.only = s, o.Raw, o.Only
	r.q = driver.AllQuery{After: after, Types: s.storedNames(o.Types), StreamTypes: o.StreamTypes, MaxBytes: pageBytes}
	if len(o.Types) > 0 && !o.Raw {
		r.types = s.currentNames(o.Types)
	}
	return r, nil
}

// page reads the next page, whose size stands in q.Limit, and advances.
func (r *logReader) page(ctx context.Context) (driver.Page, error) {
	page, err := r.store.readAll(ctx, r.q)
	if err != nil {
		return page, fmt.Errorf("eventstore: read the log after position %d: %w", r.q.After, err)
	}
	r.q.After = page.Next
	return page, nil
}

// decoded is a page that was read after a position, as its reader gets it.
func (r *logReader) decoded(ctx context.Context, after int64, p logPage) (page Page, err error) {
	page = Page{Next: p.Next, Head: p.Head, changed: p.changed}
	page.Events, err = r.all(ctx, p.Records)
	if damaged := (*DecodeError)(nil); errors.As(err, &damaged) {
		page.Next = after
		for i := 0; p.Records[i].Position < damaged.Position; i++ {
			page.Next = p.Records[i].Position
		}
		return page, err
	}
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

// logPages are the pages of a log as its reader wants them, up to the tide mark.
type logPages struct{ *logReader }

// logPage is such a page, and what tells of commits from before it was read.
type logPage struct {
	driver.Page
	changed <-chan struct{}
}

// next implements pages.
func (l logPages) next(ctx context.Context) (page logPage, more bool, err error) {
	page.changed = l.store.tide.next()
	l.q.Limit = cmp.Or(l.limit, defaultPage)
	page.Page, err = l.page(ctx)
	return page, page.Next < page.Head, err
}

// next implements pages, for a loop over events: it goes to the tide mark.
func (r *logReader) next(ctx context.Context) (page []driver.Record, more bool, err error) {
	r.q.Limit = min(r.left, pageRecords)
	p, err := r.page(ctx)
	if err != nil {
		return nil, false, err
	}
	r.left -= len(p.Records)
	return p.Records, r.left > 0 && full(p.Records, r.q.Limit, r.q.MaxBytes), nil
}

// toHead delivers what there is up to the tide mark. It reports whether the loop wants more.
func (r *logReader) toHead(ctx context.Context, yield func(Event, error) bool) (bool, error) {
	more, err := r.deliver(ctx, r, yield)
	return more && r.left > 0, err
}

func (s *Store) readAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	if err := s.calls.enter(); err != nil {
		return driver.Page{}, err
	}
	defer s.calls.leave()
	return s.drv.ReadAll(ctx, q)
}

// storedNames returns every name under which an event may be stored that reads as one of types: the name itself, its
// aliases, and whatever an upcaster turns into it.
func (s *Store) storedNames(types []string) []string {
	var names []string
	for current := range s.currentNames(types) {
		names = append(names, current)
		names = append(names, s.reg.Aliases(current)...)
		for _, source := range s.opts.Upcasters.Sources(current) {
			names = append(names, source)
			names = append(names, s.reg.Aliases(source)...)
		}
		for _, alias := range s.reg.Aliases(current) {
			names = append(names, s.opts.Upcasters.Sources(alias)...)
		}
	}
	return names
}

func (s *Store) currentNames(types []string) map[string]bool {
	names := make(map[string]bool, len(types))
	for _, t := range types {
		if current, _, ok := s.reg.Current(t); ok {
			t = current
		}
		names[t] = true
	}
	return names
}
