package eventstore

import (
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// crew decodes a page, on several cores if it is large enough: its reader, who comes to the parts in order, and helpers,
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

// helpersFor returns how many helpers a page of n records is worth.
func helpersFor(n int) int { return min(runtime.GOMAXPROCS(0), n/partRecords) - 1 }

// newCrew begins with a page. room holds as many events, and takes what is decoded; without helpers it is not used.
func (d *decoding) newCrew(page []driver.Record, room []Event) *crew {
	c := &crew{decoding: d}
	n := helpersFor(len(page))
	if n < 1 {
		c.parts = []part{{records: page}}
		return c
	}
	for len(page) > 0 {
		size := min(partRecords, len(page))
		c.parts = append(c.parts, part{records: page[:size], events: room[:0:size], done: make(chan struct{})})
		page, room = page[size:], room[size:]
	}
	for range n {
		c.helpers.Go(func() {
			for c.decodeNext() {
			}
		})
	}
	return c
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
	for i := range p.records {
		if p.events, p.err = dec.events(p.events, &p.records[i]); p.err != nil {
			break
		}
	}
	p.decoded = true
}

// await lends a hand until a part is done. It reports whether the part is decoded; else the reader has to do it.
func (c *crew) await(p *part) bool {
	if p.done == nil {
		return false
	}
	for {
		select {
		case <-p.done:
			return p.decoded
		default:
		}
		if !c.decodeNext() {
			<-p.done
			return p.decoded
		}
	}
}

// events yields the events of the page. An error comes last.
func (c *crew) events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for i := range c.parts {
			if !c.handOut(&c.parts[i], yield) {
				return
			}
		}
	}
}

// handOut reports whether the next part may follow.
func (c *crew) handOut(p *part, yield func(Event, error) bool) bool {
	if !c.await(p) {
		return c.handOutUndecoded(p, yield)
	}
	for _, e := range p.events {
		if !yield(e, nil) {
			return false
		}
	}
	if p.err != nil {
		yield(Event{}, p.err)
	}
	return p.err == nil
}

func (c *crew) handOutUndecoded(p *part, yield func(Event, error) bool) bool {
	for e, err := range c.oneByOne(p.records) {
		if !yield(e, err) || err != nil {
			return false
		}
	}
	return true
}

// filled reports whether the events of the page have filled the room from end to end: whether there are as many of
// them as records in each part, as there are where upcasters split and drop none.
func (c *crew) filled() bool {
	for i := range c.parts {
		if p := &c.parts[i]; !c.await(p) || p.err != nil || len(p.events) != len(p.records) {
			return false
		}
	}
	return true
}
