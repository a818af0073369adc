package drivertest

import (
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore"
)

// streamReads compares what was read from streams with what is stored there. How long a stream was at the time is left
// to linearizability.
func (j *judgement) streamReads() *Violation {
	for _, c := range j.rec.reads {
		own := pendingBefore(c.within, c)
		if v := j.readInOrder(c); v != nil {
			return v
		}
		for i := range c.got {
			if v := j.readTrue(c, &c.got[i], own[c.stream]); v != nil {
				return v
			}
		}
	}
	return nil
}

// readInOrder checks the versions for which it need not be known how long the stream was.
func (j *judgement) readInOrder(c *readCall) *Violation {
	from, n := max(c.opts.From, 1), len(c.got)
	for i := range c.got {
		version, want := c.got[i].version, from+int64(i)
		if c.opts.Backward {
			want = c.got[0].version - int64(i)
		}
		beyond := version < from || c.opts.To > 0 && version > c.opts.To
		if version != want || beyond || c.got[i].stream != c.stream {
			return violation(readsMatch, fmt.Sprintf("version %d of %s stands at place %d of what was read", version, c.got[i].stream, i+1), c)
		}
	}
	cut := c.opts.Limit > 0 && n == c.opts.Limit
	if c.opts.Limit > 0 && n > c.opts.Limit || c.opts.Backward && n > 0 && !cut && c.got[n-1].version != from {
		return violation(readsMatch, "it did not end where it should", c)
	}
	return nil
}

// readTrue checks one event against what is stored or, of the transaction's own events, against what was sent.
func (j *judgement) readTrue(c *readCall, e *entry, own pending) *Violation {
	if own.first > 0 && e.version >= own.first {
		if int(e.version-own.first) < len(own.events) && own.events[e.version-own.first].ID == e.id {
			return nil
		}
		return violation(readsMatch, fmt.Sprintf("version %d is not what the transaction appended", e.version), c.within)
	}
	f := j.truth.at(c.stream, e.version)
	switch {
	case f == nil:
		return violation(readsMatch, fmt.Sprintf("version %d of %s is not stored", e.version, c.stream), c)
	case f.entry != *e:
		return violation(readsMatch, fmt.Sprintf("version %d of %s: %s", e.version, c.stream, differences(&f.entry, e)), c)
	}
	return nil
}

// pending is what a transaction has appended to a stream, at versions from first on.
type pending struct {
	first, last int64
	events      []eventstore.NewEvent
}

// pendingBefore returns what a transaction had appended before one of its steps; nil stands for its end.
func pendingBefore(t *transactionCall, step any) map[eventstore.StreamID]pending {
	if t == nil {
		return nil
	}
	own := make(map[eventstore.StreamID]pending)
	for _, s := range t.steps {
		if s == step {
			break
		}
		a, ok := s.(*appendCall)
		if !ok || a.outcome != stored {
			continue
		}
		for i, p := range a.parts {
			if len(p.events) == 0 {
				continue
			}
			list, last := own[p.stream], a.receipts[i].Version
			if list.first == 0 {
				list.first = last - int64(len(p.events)) + 1
			}
			list.last, list.events = last, append(list.events, p.events...)
			own[p.stream] = list
		}
	}
	return own
}

// length is what a read says about the version that its stream had: between the two, both included.
func (c *readCall) length() (low, high int64) {
	from, n := max(c.opts.From, 1), int64(len(c.got))
	nothingAsked := c.opts.To > 0 && c.opts.To < from
	switch {
	case nothingAsked:
		return 0, never
	case n == 0:
		return 0, from - 1
	case c.opts.Backward && c.opts.To > 0 && c.got[0].version == c.opts.To:
		return c.opts.To, never
	case c.opts.Backward:
		return c.got[0].version, c.got[0].version
	}
	last := c.got[n-1].version
	if c.opts.Limit > 0 && n == int64(c.opts.Limit) || c.opts.To > 0 && last == c.opts.To {
		return last, never
	}
	return last, last
}
