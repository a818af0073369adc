package drivertest

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Rule is a promise that histories are checked against.
type Rule struct{ Name, Text string }

// The names of the rules.
const (
	typedErrors    = "errors"
	everythingEnds = "ends"
	contiguous     = "versions"
	once           = "once"
	nothingElse    = "nothing else"
	wholeAppends   = "whole"
	nothingLost    = "nothing lost"
	receiptsMatch  = "receipts"
	expectations   = "expectations"
	readsMatch     = "reads"
	complete       = "log"
	fresh          = "fresh"
	realTime       = "real time"
	linearizable   = "linearizable"
)

// Rules lists the promises, in the order in which they are checked.
func Rules() []Rule {
	return []Rule{
		{typedErrors, "an error is a conflict, an id's misuse, the context's end or, where connections are cut, a lost connection"},
		{everythingEnds, "every call comes to its end"},
		{contiguous, "the versions of a stream are 1, 2, 3 and so on, in the order of their positions"},
		{once, "an event is stored once, however often it is sent"},
		{nothingLost, "what was acknowledged is stored"},
		{receiptsMatch, "receipts, conflicts and refusals say what is true"},
		{nothingElse, "nothing is stored or handed out that nobody sent, or that was refused or rolled back"},
		{wholeAppends, "an append, an AppendAll and a transaction are stored as a whole or not at all"},
		{readsMatch, "a read hands out what is stored, all that was asked for, in order"},
		{complete, "a page of the log and a subscription hand out everything up to where they end, once and in order, and come to the end"},
		{expectations, "an append succeeds where its stream is as expected, and is a conflict where it is not"},
		{realTime, "an append that returned before another began has the lower positions"},
		{fresh, "a page of the log that was asked for after an append returned has its events, unless an older append is under way"},
		{linearizable, "one order of all appends, transactions and reads of streams explains every answer, " +
			"and no call comes in it after one that began when it had returned"},
	}
}

func textOf(rule string) string {
	all := Rules()
	return all[slices.IndexFunc(all, func(r Rule) bool { return r.Name == rule })].Text
}

// judge checks the recorded calls against what is stored, the plainest promises first.
func (r *round) judge() error {
	j := &judgement{round: r, units: make(map[*batch]*unit)}
	for _, check := range []func() *Violation{j.receipts, j.origins, j.streamReads, j.logReads, j.sights, j.attribute, j.positions,
		j.freshness, j.linearizability} {
		if v := check(); v != nil {
			return v
		}
	}
	return nil
}

// judgement is the round and what the checks found out about it.
type judgement struct {
	*round
	seen  map[uuid.UUID]sight
	units map[*batch]*unit // by what they wrote
	order []*unit
}

// sight is when a reader of the log was first handed an event.
type sight struct {
	at   int64
	call any
}

// acknowledged calls f for every part of an append that its caller was told is stored, and that no rollback took back.
func (j *judgement) acknowledged(f func(a *appendCall, p part, receipt eventstore.Receipt) *Violation) *Violation {
	for _, a := range j.rec.appends {
		if a.result() != stored && (a.outcome != duplicate || a.within != nil) {
			continue
		}
		for i, p := range a.parts {
			if len(p.events) == 0 {
				continue
			}
			if v := f(a, p, a.receipts[i]); v != nil {
				return v
			}
		}
	}
	return nil
}

// receipts looks for what was acknowledged, and whether it is where the receipt says.
func (j *judgement) receipts() *Violation {
	return j.acknowledged(func(a *appendCall, p part, receipt eventstore.Receipt) *Violation {
		found, ok := j.truth.placeOf(p.batch)
		if !ok {
			return violation(nothingLost, fmt.Sprintf("%s of %s: %s", names(p.events), p.stream, j.whereabouts(p.batch)), a.witness()...)
		}
		if receipt.Version != found.last.version || receipt.Position != found.last.position {
			return violation(receiptsMatch, fmt.Sprintf("the last event of %s is stored at version %d, position %d", names(p.events),
				found.last.version, found.last.position), a.witness()...)
		}
		return nil
	})
}

// whereabouts says what became of a batch that is not stored as it was sent.
func (j *judgement) whereabouts(b *batch) string {
	text := "stored are"
	for i := range b.events {
		if f := j.truth.ids[b.events[i].ID]; f != nil {
			text += fmt.Sprintf(" e%d as version %d of %s,", numberOf(&b.events[i]), f.version, f.stream)
		}
	}
	if text == "stored are" {
		return "none of it is stored"
	}
	return text + " and no more, or not as one append of these events"
}

// witness is the call, with its transaction if there is one.
func (c *appendCall) witness() []any {
	if c.within != nil {
		return []any{c.within}
	}
	return []any{c}
}

// origins finds the append of every stored event.
func (j *judgement) origins() *Violation {
	whole := make(map[uuid.UUID]bool)
	for _, a := range j.rec.appends {
		for _, p := range a.parts {
			if _, ok := j.truth.placeOf(p.batch); ok {
				for i := range p.events {
					whole[p.events[i].ID] = true
				}
			}
		}
	}
	for _, f := range j.truth.log {
		if whole[f.id] {
			continue
		}
		senders := j.rec.senders(f.id)
		if senders == nil {
			return violation(nothingElse, fmt.Sprintf("position %d holds event %s, which nobody sent", f.position, f.id))
		}
		return violation(wholeAppends, fmt.Sprintf("position %d, version %d of %s, stands there without the rest of what it was sent with, "+
			"or in another order, or changed", f.position, f.version, f.stream), senders...)
	}
	return nil
}

// logReads compares what readers of the log were handed with what they should have been.
func (j *judgement) logReads() *Violation {
	for _, c := range j.rec.pages {
		want := j.between(c.after, c.next, &c.opts)
		if c.next < c.after || !slices.Equal(c.got, want) {
			return violation(complete, j.difference(c.got, want), c)
		}
	}
	for _, s := range j.rec.subscriptions {
		want := j.between(s.after, never, &s.opts)
		if len(s.got) > len(want) || !slices.Equal(s.got, want[:len(s.got)]) {
			return violation(complete, j.difference(s.got, want[:min(len(s.got), len(want))]), s)
		}
	}
	return nil
}

// between returns the events that a reader selects after one position and up to another.
func (j *judgement) between(after, to int64, opts *eventstore.ReadOptions) []entry {
	from, found := slices.BinarySearchFunc(j.truth.log, after, func(f *fact, p int64) int { return int(f.position - p) })
	if found {
		from++
	}
	var list []entry
	for _, f := range j.truth.log[from:] {
		if f.position > to {
			break
		}
		if selects(opts, &f.entry) {
			list = append(list, f.entry)
		}
	}
	return list
}

// difference tells the first event that is not what it should be.
func (j *judgement) difference(got, want []entry) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	switch {
	case i < len(want) && i < len(got) && got[i].position == want[i].position:
		return fmt.Sprintf("the event at position %d: %s", got[i].position, differences(&want[i], &got[i]))
	case i < len(want) && (i == len(got) || got[i].position > want[i].position):
		return fmt.Sprintf("position %d was left out; it holds version %d of %s", want[i].position, want[i].version, want[i].stream)
	case i < len(got):
		return fmt.Sprintf("position %d was handed out again, or is not stored, or should not have been selected", got[i].position)
	default:
		return "the page goes back"
	}
}

// sights notes when readers of the log were first handed each event: by then it was committed.
func (j *judgement) sights() *Violation {
	j.seen = make(map[uuid.UUID]sight)
	see := func(id uuid.UUID, at int64, call any) {
		if first, ok := j.seen[id]; !ok || at < first.at {
			j.seen[id] = sight{at, call}
		}
	}
	for _, c := range j.rec.pages {
		for _, e := range c.got {
			see(e.id, c.end, c)
		}
	}
	for _, s := range j.rec.subscriptions {
		for i, e := range s.got {
			see(e.id, s.at[i], s)
		}
	}
	return nil
}
