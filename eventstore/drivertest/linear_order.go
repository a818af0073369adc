package drivertest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// The model that linearizability is checked against knows of each stream only its version. That is enough: what stands
// at each version is known from the log, so every answer comes down to the versions that streams can have had when it
// was given. All streams are checked together, so that an AppendAll and a transaction take effect everywhere at once.

const maxStreams = 8

// lengths is the state of the model.
type lengths [maxStreams]int64

// effect says that a stream's version was between low and high, both included, and is next afterwards, if next is not 0.
type effect struct {
	stream          eventstore.StreamID
	low, high, next int64
}

func exactly(stream eventstore.StreamID, version int64) effect {
	return effect{stream: stream, low: version, high: version}
}

// moment is a call, or a part of one, that took effect at one moment between begin and end: when all of effects held,
// and one of either, if there are any.
type moment struct {
	begin, end int64
	effects    []effect
	either     []effect
	calls      []any
}

// writes reports whether the moment changed anything.
func (m *moment) writes() bool {
	return slices.ContainsFunc(m.effects, func(e effect) bool { return e.next > 0 })
}

// streamIndex numbers the streams of a round.
type streamIndex map[eventstore.StreamID]int

func (x streamIndex) holds(v *lengths, e effect) bool {
	version := v[x[e.stream]]
	return e.low <= version && version <= e.high
}

// step is the model: what a moment makes of the versions, if it is possible at all.
func (x streamIndex) step(state lengths, m *moment) (lengths, bool) {
	if len(m.either) > 0 && !slices.ContainsFunc(m.either, func(e effect) bool { return x.holds(&state, e) }) {
		return state, false
	}
	for _, e := range m.effects {
		if !x.holds(&state, e) {
			return state, false
		}
		if e.next > 0 {
			state[x[e.stream]] = e.next
		}
	}
	return state, true
}

// verdict says whether there is an order of the moments that the model can follow. It is Unknown if time was up.
func (x streamIndex) verdict(moments []*moment, timeout time.Duration) porcupine.CheckResult {
	model := porcupine.Model{
		Init: func() any { return lengths{} },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := x.step(state.(lengths), input.(*moment))
			return ok, next
		},
	}
	history := make([]porcupine.Operation, len(moments))
	for i, m := range moments {
		history[i] = porcupine.Operation{Input: m, Call: m.begin, Return: m.end}
	}
	return porcupine.CheckOperationsTimeout(model, history, timeout)
}

func (j *judgement) linearizability() *Violation {
	index := make(streamIndex)
	for i, stream := range j.known.streams {
		index[stream] = i
	}
	moments, v := j.moments()
	if v != nil {
		return v
	}
	switch index.verdict(moments, defaultPatience/2) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return violation(linearizable, fmt.Sprintf("it could not be decided in time: %d calls; try fewer clients", len(moments)))
	}
	var calls []any
	for _, m := range index.shrink(moments) {
		calls = append(calls, m.calls...)
	}
	return violation(linearizable, "no order explains these answers:", calls...)
}

// moments lists everything that was written or answered.
func (j *judgement) moments() ([]*moment, *Violation) {
	var list []*moment
	for _, u := range j.order {
		m := &moment{begin: u.begin, end: u.end, effects: slices.Clone(u.checks), calls: u.calls}
		for _, w := range u.writes {
			m.effects = append(m.effects, effect{w.stream, w.first.version - 1, w.first.version - 1, w.last.version})
		}
		list = append(list, m)
	}
	for _, a := range j.rec.appends {
		m, v := j.answer(a, pendingBefore(a.within, a))
		if v != nil {
			return nil, v
		}
		if len(m.effects)+len(m.either) > 0 {
			list = append(list, m)
		}
	}
	for _, c := range j.rec.reads {
		m := &moment{begin: c.begin, end: c.end, calls: []any{c}}
		low, high := c.length()
		if own := pendingBefore(c.within, c)[c.stream]; own.first > 0 {
			if own.last < low || own.last > high {
				return nil, violation(readsMatch, "a transaction does not read what it appended", c.within)
			}
			low, high = own.first-1, own.first-1
		}
		m.effects = []effect{{stream: c.stream, low: low, high: high}}
		list = append(list, m)
	}
	return list, nil
}

// answer is what an append's answer says about the versions at the time, apart from what it wrote. own is what its
// transaction had appended before.
func (j *judgement) answer(a *appendCall, own map[eventstore.StreamID]pending) (*moment, *Violation) {
	m := &moment{begin: a.begin, end: a.end, calls: []any{a}}
	var v *Violation
	switch a.outcome {
	case stored:
		m.effects, v = j.storedAnswer(a, own)
	case duplicate:
		m.effects, v = j.duplicateAnswer(a, own)
	case conflicted:
		m.effects, v = j.conflictAnswer(a, own)
		m.calls = append(m.calls, j.storers(a)...)
	case misused:
		m.either, v = j.misuseAnswer(a, own)
	}
	return m, v
}

// storers returns the calls that stored what this one sent, for the tables of violations.
func (j *judgement) storers(a *appendCall) []any {
	var calls []any
	for _, p := range a.parts {
		if u := j.units[p.batch]; u != nil {
			calls = append(calls, u.calls...)
		}
	}
	return calls
}

// observed is a version that a call, perhaps inside a transaction, says a stream had: nobody but the transaction can
// have appended after its own first event.
func observed(stream eventstore.StreamID, version int64, own pending) effect {
	if own.first > 0 {
		return exactly(stream, own.first-1)
	}
	return exactly(stream, version)
}

// storedAnswer leaves what was written outside of a transaction to its unit.
func (j *judgement) storedAnswer(a *appendCall, own map[eventstore.StreamID]pending) ([]effect, *Violation) {
	var effects []effect
	for i, p := range a.parts {
		before, mine := a.receipts[i].Version-int64(len(p.events)), own[p.stream]
		if !driver.ExpectedVersion(p.expected).Met(before) || mine.first > 0 && mine.last != before {
			return nil, violation(expectations, fmt.Sprintf("%s was at version %d", p.stream, before), a.witness()...)
		}
		if a.within != nil || len(p.events) == 0 {
			effects = append(effects, observed(p.stream, before, mine))
		}
	}
	return effects, nil
}

func (j *judgement) duplicateAnswer(a *appendCall, own map[eventstore.StreamID]pending) ([]effect, *Violation) {
	var effects []effect
	for i, p := range a.parts {
		mine := own[p.stream]
		found, ok := j.truth.placeOf(p.batch)
		switch {
		case len(p.events) == 0 || mine.holds(p.batch):
		case !ok || found.last.version != a.receipts[i].Version || found.last.position != a.receipts[i].Position:
			return nil, violation(receiptsMatch, fmt.Sprintf("%s: %s", names(p.events), j.whereabouts(p.batch)), a.witness()...)
		default:
			effects = append(effects, effect{stream: p.stream, low: found.last.version, high: never})
		}
	}
	return effects, nil
}

// holds reports whether a transaction has appended events of a batch.
func (p pending) holds(b *batch) bool { return overlapping(&batch{events: p.events}, b) }

func (j *judgement) conflictAnswer(a *appendCall, own map[eventstore.StreamID]pending) ([]effect, *Violation) {
	at := slices.IndexFunc(a.parts, func(p part) bool { return p.stream == a.conflict.Stream })
	if at < 0 || a.conflict.Expected != a.parts[at].expected || driver.ExpectedVersion(a.conflict.Expected).Met(a.conflict.Actual) {
		return nil, violation(expectations, fmt.Sprintf("the conflict names %s, which expected %s", a.conflict.Stream, a.conflict.Expected), a.witness()...)
	}
	mine := own[a.conflict.Stream]
	if mine.first > 0 && mine.last != a.conflict.Actual {
		return nil, violation(receiptsMatch, fmt.Sprintf("its transaction had brought %s to version %d", a.conflict.Stream, mine.last), a.witness()...)
	}
	effects := []effect{observed(a.conflict.Stream, a.conflict.Actual, mine)}
	for _, p := range a.parts {
		for i := range p.events { // a stored id would have been the answer
			if f := j.truth.ids[p.events[i].ID]; f != nil {
				effects = append(effects, effect{stream: f.stream, high: f.version - 1})
			}
		}
	}
	return effects, nil
}

func (j *judgement) misuseAnswer(a *appendCall, own map[eventstore.StreamID]pending) ([]effect, *Violation) {
	var either []effect
	for _, p := range a.parts {
		for _, mine := range own {
			if mine.holds(p.batch) {
				return nil, nil
			}
		}
		for i := range p.events {
			if f := j.truth.ids[p.events[i].ID]; f != nil {
				either = append(either, effect{stream: f.stream, low: f.version, high: math.MaxInt64})
			}
		}
	}
	if either == nil {
		return nil, violation(receiptsMatch, "none of these ids is stored", a.witness()...)
	}
	return either, nil
}
