package eventstore

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// deliver hands the events of a read to a loop. It reports whether the loop wants more.
func (d *decoding) deliver(ctx context.Context, p pages, yield func(Event, error) bool) (bool, error) {
	a := ahead{pages: p}
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
	c, err := d.begin(ctx, page)
	if err != nil {
		return false, err
	}
	defer c.stop()
	for i := range c.parts {
		for e, err := range c.events(i) {
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
	}
	return true, nil
}

// all decodes a page. With a *DecodeError come the events before it.
func (d *decoding) all(ctx context.Context, page []driver.Record) ([]Event, error) {
	c, err := d.begin(ctx, page)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	events := make([]Event, 0, len(page))
	for i := range c.parts {
		for e, err := range c.events(i) {
			if err != nil {
				return events, err
			}
			events = append(events, e)
		}
	}
	return events, nil
}

// begin makes a page ready: it leaves out what the caller does, reveals what is protected, and has others begin to decode.
func (d *decoding) begin(ctx context.Context, page []driver.Record) (*crew, error) {
	page = d.wanted(page)
	if err := d.reveal(ctx, page); err != nil {
		return nil, err
	}
	c := &crew{decoding: d}
	c.divide(page)
	c.start()
	return c, nil
}

func (d *decoding) wanted(page []driver.Record) []driver.Record {
	if d.only == nil {
		return page
	}
	wanted := make([]driver.Record, 0, len(page))
	for i := range page {
		if d.only(page[i].Stream, page[i].Position) {
			wanted = append(wanted, page[i])
		}
	}
	return wanted
}

// crew decodes a page that is large enough on several cores: its reader, who comes to the parts in order, and helpers,
// who take the next part that nobody has taken. Nobody waits for anything but a part that is being decoded.
//
// A helper that finds a panic, or the end of its goroutine, in somebody's code leaves that part alone, and the reader meets
// it when its turn comes, in a goroutine where it can be dealt with.
type crew struct {
	*decoding
	parts   []part
	taken   atomic.Int64 // parts that somebody decodes or has decoded
	helpers sync.WaitGroup
}

// part is some records of a page, and what they are decoded to.
type part struct {
	records []driver.Record
	events  []Event
	err     error // comes after events
	decoded bool
	done    chan struct{}
}

// partRecords takes long enough to decode to be worth another goroutine's attention.
const partRecords = 32

func (c *crew) divide(page []driver.Record) {
	n := (len(page) + partRecords - 1) / partRecords
	c.parts = make([]part, n)
	for i := range c.parts {
		size := min(partRecords, len(page))
		c.parts[i].records, page = page[:size], page[size:]
	}
}

func (c *crew) start() {
	helpers := min(runtime.GOMAXPROCS(0), len(c.parts)) - 1
	if helpers < 1 {
		c.taken.Store(int64(len(c.parts))) // by the reader
		return
	}
	for i := range c.parts {
		c.parts[i].done = make(chan struct{})
	}
	for range helpers {
		c.helpers.Go(func() {
			for c.decodeNext() {
			}
		})
	}
}

// stop has the helpers end with what they are at.
func (c *crew) stop() {
	c.taken.Store(int64(len(c.parts)))
	c.helpers.Wait()
}

// decodeNext decodes a part that nobody has taken. It reports whether there was one.
func (c *crew) decodeNext() bool {
	i := int(c.taken.Add(1)) - 1
	if i >= len(c.parts) {
		return false
	}
	c.parts[i].decode(c.decoding)
	return true
}

func (p *part) decode(d *decoding) {
	defer close(p.done)
	defer func() { _ = recover() }()
	dec := decoder{decoding: d}
	p.events = make([]Event, 0, len(p.records))
	for i := range p.records {
		if p.events, p.err = dec.events(p.events, &p.records[i]); p.err != nil {
			break
		}
	}
	p.decoded = true
}

// events yields the events of a part. Its error comes last.
func (c *crew) events(i int) func(yield func(Event, error) bool) {
	return func(yield func(Event, error) bool) {
		p := &c.parts[i]
		if c.await(p); !p.decoded {
			c.eventsOneByOne(p, yield)
			return
		}
		for _, e := range p.events {
			if !yield(e, nil) {
				return
			}
		}
		if p.err != nil {
			yield(Event{}, p.err)
		}
	}
}

// await lends a hand until a part is done, if anybody has taken it.
func (c *crew) await(p *part) {
	if p.done == nil {
		return
	}
	for {
		select {
		case <-p.done:
			return
		default:
		}
		if !c.decodeNext() {
			<-p.done
			return
		}
	}
}

func (c *crew) eventsOneByOne(p *part, yield func(Event, error) bool) {
	dec := decoder{decoding: c.decoding}
	var events []Event
	for i := range p.records {
		var err error
		if events, err = dec.events(events[:0], &p.records[i]); err != nil {
			yield(Event{}, err)
			return
		}
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}
