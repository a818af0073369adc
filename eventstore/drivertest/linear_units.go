package drivertest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// unit is what one commit wrote: an append, an AppendAll or a transaction. It took effect at one moment between begin
// and end.
type unit struct {
	begin, end int64
	writes     []unitWrite
	checks     []effect // of streams that it only looked at
	calls      []any    // that made it or, where nobody knows which of them did, may have
}

// unitWrite is one batch of a unit, stored.
type unitWrite struct {
	*batch
	place
	expected []eventstore.ExpectedVersion // of each call that may have made it
	begin    int64                        // of the first call that sent it
}

// claim is a call that says that it made a unit, or that it may have.
type claim struct {
	unit
	certain bool
}

// attribute finds out which call wrote what is stored.
func (j *judgement) attribute() *Violation {
	claims := j.claims()
	for _, c := range claims {
		if !c.certain {
			continue
		}
		for _, w := range c.writes {
			if other := j.units[w.batch]; other != nil {
				return violation(once, fmt.Sprintf("two calls were told that they had stored %s, and neither that it was there",
					names(w.events)), append(other.calls, c.calls...)...)
			}
			j.units[w.batch] = &c.unit
		}
		j.order = append(j.order, &c.unit)
	}
	if v := j.attributeRest(claims); v != nil {
		return v
	}
	for _, u := range j.order {
		if v := j.bounded(u); v != nil {
			return v
		}
	}
	return nil
}

// claims lists the appends and transactions that wrote, and those that may have.
func (j *judgement) claims() []*claim {
	var list []*claim
	for _, a := range j.rec.appends {
		// A call that the driver has repeated, because the connection was lost, finds what its own first try has stored.
		repeated := a.outcome == duplicate && j.rec.faults
		if a.within == nil && (a.outcome == stored || a.outcome == unknown || repeated) {
			c := &claim{certain: a.outcome == stored}
			c.unit = unit{begin: a.begin, end: a.end, calls: []any{a}}
			c.add(j, a, nil)
			list = append(list, c)
		}
	}
	for _, t := range j.rec.transactions {
		if t.outcome == stored || t.outcome == unknown {
			list = append(list, j.claimOf(t))
		}
	}
	return slices.DeleteFunc(list, func(c *claim) bool { return len(c.writes) == 0 })
}

// claimOf is a transaction's: it took effect after its last step.
func (j *judgement) claimOf(t *transactionCall) *claim {
	c := &claim{certain: t.outcome == stored}
	c.unit = unit{begin: t.begin, end: t.end, calls: []any{t}}
	for _, step := range t.steps {
		if a, ok := step.(*appendCall); ok {
			c.begin = a.end
			if a.outcome == stored {
				c.add(j, a, pendingBefore(t, a))
			}
		}
	}
	return c
}

func (c *claim) add(j *judgement, a *appendCall, own map[eventstore.StreamID]pending) {
	for i, p := range a.parts {
		switch {
		case len(p.events) > 0:
			found, _ := j.truth.placeOf(p.batch)
			c.writes = append(c.writes, unitWrite{batch: p.batch, place: found, begin: a.begin, expected: []eventstore.ExpectedVersion{p.expected}})
		case a.outcome == stored && own[p.stream].first == 0:
			c.checks = append(c.checks, exactly(p.stream, a.receipts[i].Version))
		}
	}
}

// possible reports whether everything that an uncertain claim sent is stored, and by nobody else.
func (j *judgement) possible(c *claim) bool {
	for _, w := range c.writes {
		if w.first == nil || j.units[w.batch] != nil {
			return false
		}
	}
	return true
}

// attributeRest finds the uncertain claims that may have written what is stored and nobody is certain of. What the same
// calls may have written was written by one of them.
func (j *judgement) attributeRest(claims []*claim) *Violation {
	groups := make(map[string]*unit)
	for _, b := range j.unclaimed() {
		var key string
		var u unit
		for i, c := range claims {
			if at := slices.IndexFunc(c.writes, func(w unitWrite) bool { return w.batch == b }); at >= 0 && !c.certain && j.possible(c) {
				key += fmt.Sprintf(" %d", i)
				u.join(c, at)
			}
		}
		if len(u.calls) == 0 {
			return j.unexplained(b, claims)
		}
		if first := groups[key]; first != nil {
			first.writes = append(first.writes, u.writes...)
			continue
		}
		u.end = never
		groups[key] = &u
		j.order = append(j.order, &u)
	}
	for _, u := range j.order {
		for _, w := range u.writes {
			j.units[w.batch] = u
		}
	}
	return nil
}

// join makes a claim to one of its writes one of those that a unit may have been made by.
func (u *unit) join(c *claim, at int) {
	w := c.writes[at]
	if len(u.calls) == 0 {
		u.begin, u.writes = c.begin, []unitWrite{w}
	} else {
		u.begin = min(u.begin, c.begin)
		u.writes[0].begin = min(u.writes[0].begin, w.begin)
		u.writes[0].expected = append(u.writes[0].expected, w.expected...)
	}
	u.calls = append(u.calls, c.calls...)
}

// unclaimed returns the stored batches that nobody is certain to have written, in the order of the log.
func (j *judgement) unclaimed() []*batch {
	found := make(map[*batch]int64)
	for _, a := range j.rec.appends {
		for _, p := range a.parts {
			if at, ok := j.truth.placeOf(p.batch); ok && j.units[p.batch] == nil {
				found[p.batch] = at.first.position
			}
		}
	}
	list := make([]*batch, 0, len(found))
	for b := range found {
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b *batch) int { return cmp.Compare(found[a], found[b]) })
	return list
}

// unexplained is the violation of a batch that is stored although no call can have stored it.
func (j *judgement) unexplained(b *batch, claims []*claim) *Violation {
	senders := j.rec.senders(b.events[0].ID)
	for _, c := range claims {
		if slices.ContainsFunc(c.writes, func(w unitWrite) bool { return w.batch == b }) {
			return violation(wholeAppends, fmt.Sprintf("%s is stored in %s, but not all that was sent with it", names(b.events), b.stream), senders...)
		}
	}
	return violation(nothingElse, fmt.Sprintf("%s is stored in %s, although every call that sent it was told otherwise",
		names(b.events), b.stream), senders...)
}

// bounded ends a unit's time where somebody was handed its events, and checks its expectations.
func (j *judgement) bounded(u *unit) *Violation {
	for _, w := range u.writes {
		met := func(e eventstore.ExpectedVersion) bool { return driver.ExpectedVersion(e).Met(w.first.version - 1) }
		if !slices.ContainsFunc(w.expected, met) {
			return violation(expectations, fmt.Sprintf("%s is stored from version %d of %s on", names(w.events), w.first.version, w.stream), u.calls...)
		}
		for i := range w.events {
			s, ok := j.seen[w.events[i].ID]
			if ok && s.at < u.begin {
				return violation(nothingElse, fmt.Sprintf("%s was handed out by tick %d, before it can have been committed", names(w.events), s.at),
					append(u.calls, s.call)...)
			}
			if ok && s.at < u.end {
				u.end = s.at
				u.calls = append(u.calls[:len(u.calls):len(u.calls)], s.call)
			}
		}
	}
	return nil
}

// positions compares the positions of units of which one ended before an append of the other began.
func (j *judgement) positions() *Violation {
	byEnd := slices.Clone(j.order)
	slices.SortFunc(byEnd, func(a, b *unit) int { return cmp.Compare(a.end, b.end) })
	type started struct {
		unitWrite
		*unit
	}
	var byBegin []started
	for _, u := range j.order {
		for _, w := range u.writes {
			byBegin = append(byBegin, started{w, u})
		}
	}
	slices.SortFunc(byBegin, func(a, b started) int { return cmp.Compare(a.unitWrite.begin, b.unitWrite.begin) })
	var highest *unit
	for _, w := range byBegin {
		for len(byEnd) > 0 && byEnd[0].end < w.unitWrite.begin {
			if highest == nil || byEnd[0].top() > highest.top() {
				highest = byEnd[0]
			}
			byEnd = byEnd[1:]
		}
		if highest != nil && highest.top() > w.first.position {
			return violation(realTime, fmt.Sprintf("position %d was taken by an append that had ended when the one began that took position %d",
				highest.top(), w.first.position), append(highest.calls, w.unit.calls...)...)
		}
	}
	return nil
}

// top is the unit's highest position.
func (u *unit) top() int64 {
	top := int64(0)
	for _, w := range u.writes {
		top = max(top, w.last.position)
	}
	return top
}

// freshness looks for pages that say they came to the head and lack what was stored before they were asked for.
func (j *judgement) freshness() *Violation {
	for _, c := range j.rec.pages {
		if c.next < c.head {
			continue
		}
		for _, u := range j.order {
			if u.end < c.begin && u.top() > c.next && !j.underWay(u.end, c.begin) {
				return violation(fresh, fmt.Sprintf("position %d was committed and nothing older was under way, but a page came to the head at %d",
					u.top(), c.next), append(u.calls, c)...)
			}
		}
	}
	return nil
}

// underWay reports whether an append that began before one tick may have been under way at another, later one.
func (j *judgement) underWay(before, at int64) bool {
	for _, a := range j.rec.appends {
		if a.within == nil && a.begin < before && (a.end > at || a.outcome == unknown) {
			return true
		}
	}
	for _, t := range j.rec.transactions {
		cut := slices.ContainsFunc(t.steps, func(s any) bool { a, ok := s.(*appendCall); return ok && a.outcome == unknown })
		if t.begin < before && (t.end > at || t.outcome == unknown || cut) {
			return true
		}
	}
	return false
}
