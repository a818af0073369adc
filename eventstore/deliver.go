package eventstore

import (
	"context"
	"iter"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// deliver hands the events of a read to a loop. It reports whether the loop wants more.
func (d *decoding) deliver(ctx context.Context, p pages[[]driver.Record], yield func(Event, error) bool) (bool, error) {
	a := ahead[[]driver.Record]{pages: p}
	defer a.stop()
	for {
		page, more, err := a.next(ctx)
		if err != nil {
			return false, err
		}
		if more && d.mayReadAhead(ctx) {
			a.start(ctx)
		}
		if wanted, err := d.hand(ctx, page, yield); err != nil || !wanted {
			return false, err
		}
		if !more {
			return true, nil
		}
	}
}

// mayReadAhead is false in a transaction: its connection can't be used by two at a time.
func (d *decoding) mayReadAhead(ctx context.Context) bool { return !d.store.InTransaction(ctx) }

// hand decodes a page and hands out its events.
func (d *decoding) hand(ctx context.Context, page []driver.Record, yield func(Event, error) bool) (bool, error) {
	page, err := d.prepare(ctx, page)
	if err != nil {
		return false, err
	}
	if n := len(page); n > cap(d.room) && helpersFor(n) > 0 {
		d.room = make([]Event, n)
	}
	c := d.newCrew(page, d.room)
	defer c.stop()
	for e, err := range c.events() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
		if !yield(e, nil) {
			return false, nil
		}
	}
	return true, nil
}

// all decodes a page. With a *DecodeError come the events before it.
func (d *decoding) all(ctx context.Context, page []driver.Record) ([]Event, error) {
	page, err := d.prepare(ctx, page)
	if err != nil {
		return nil, err
	}
	if helpersFor(len(page)) < 1 {
		return collect(d.oneByOne(page), len(page))
	}
	room := make([]Event, len(page))
	c := d.newCrew(page, room)
	defer c.stop()
	if c.filled() {
		return room, nil
	}
	return collect(c.events(), len(page))
}

// collect returns the events that come before an error.
func collect(seq iter.Seq2[Event, error], expected int) ([]Event, error) {
	events := make([]Event, 0, expected)
	for e, err := range seq {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// prepare leaves out of a page what the caller does, and reveals what is protected in the rest.
func (d *decoding) prepare(ctx context.Context, page []driver.Record) ([]driver.Record, error) {
	if d.only != nil {
		wanted := make([]driver.Record, 0, len(page))
		for i := range page {
			if d.only(page[i].Stream, page[i].Position) {
				wanted = append(wanted, page[i])
			}
		}
		page = wanted
	}
	return page, d.reveal(ctx, page)
}

// oneByOne decodes a record when its turn comes.
func (d *decoding) oneByOne(page []driver.Record) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		dec := decoder{decoding: d}
		var events []Event
		for i := range page {
			var err error
			events, err = dec.events(events[:0], &page[i])
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
		}
	}
}
