package drivertest

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// script is a hand-written interleaving of transactions, with a reader that looks after every step.
type script struct {
	*probe
	reader *follower
	want   []uuid.UUID // committed so far
}

// interleaving is a case that runs a script on a log that already has an event, and then checks that the reader was
// handed each committed event once, in the log's order.
func interleaving(f func(s *script)) func(p *probe) {
	return func(p *probe) {
		s := &script{probe: p, reader: newFollower()}
		s.other(named("before"))
		f(s)
		s.complete()
	}
}

// look has the reader read to the head.
func (s *script) look() {
	s.ok(s.reader.toHead(s.ctx, s.drv), "read the log")
}

// other commits an event outside of the script's transactions.
func (s *script) other(stream driver.StreamID) {
	e := event("noted")
	s.append(stream, driver.Any, e)
	s.want = append(s.want, e.ID)
	s.look()
}

// in appends an event inside a transaction.
func (s *script) in(tx *held, stream driver.StreamID) uuid.UUID {
	e := event("noted")
	tx.append(stream, driver.Any, e)
	s.look()
	return e.ID
}

// commits commits a transaction that appended these events.
func (s *script) commits(tx *held, ids ...uuid.UUID) {
	tx.commit()
	s.want = append(s.want, ids...)
	s.look()
}

func (s *script) rollsBack(tx *held) {
	tx.rollback()
	s.look()
}

// complete ends the case unless the log is what was committed, and the reader got the same.
func (s *script) complete() {
	all := s.log()
	stored := make(map[uuid.UUID]bool)
	for _, r := range all {
		stored[r.ID] = true
	}
	for i, id := range s.want {
		s.that(stored[id], "the event that was committed as number %d is not in the log", i+1)
	}
	s.equal(len(s.want), len(all), "number of events in the log")
	s.sameRecords(all, s.reader.records, "what a reader got that looked after every step, compared with the log read at once")
}

func earlyPositionLateCommit(p *probe) {
	interleaving(func(s *script) {
		tx := s.begin(s.handle)
		early := s.in(tx, named("a"))
		s.other(named("b"))
		s.other(named("c"))
		s.commits(tx, early)
		s.other(named("b"))
	})(p)
}

func earlyTransactionLateAppend(p *probe) {
	interleaving(func(s *script) {
		tx := s.begin(s.handle)
		tx.do(func(ctx context.Context) {
			_, err := s.readStream(ctx, named("before"))
			s.ok(err, "read inside a transaction")
		})
		s.other(named("b"))
		id := s.in(tx, named("a"))
		s.other(named("c"))
		s.commits(tx, id)
	})(p)
}

func commitsReversed(p *probe) {
	interleaving(func(s *script) {
		first, second, third := s.begin(s.handle), s.begin(s.handle), s.begin(s.handle)
		a, b, c := s.in(first, named("a")), s.in(second, named("b")), s.in(third, named("c"))
		s.commits(third, c)
		s.commits(second, b)
		s.other(named("d"))
		s.commits(first, a)
	})(p)
}

func appendsAround(p *probe) {
	interleaving(func(s *script) {
		tx := s.begin(s.handle)
		one := s.in(tx, named("a"))
		s.other(named("b"))
		two := s.in(tx, named("a"))
		s.other(named("b"))
		three := s.in(tx, named("c"))
		s.commits(tx, one, two, three)
	})(p)
}

// firstEvents has no event before it: a sequence that was never used looks different from one at its first value.
func firstEvents(p *probe) {
	s := &script{probe: p, reader: newFollower()}
	s.look()
	first, second := s.begin(s.handle), s.begin(s.handle)
	a, b := s.in(first, named("a")), s.in(second, named("b"))
	s.commits(second, b)
	s.other(named("c"))
	s.commits(first, a)
	s.complete()
}

func rollbackBetween(p *probe) {
	interleaving(func(s *script) {
		first, second := s.begin(s.handle), s.begin(s.handle)
		one := s.in(first, named("a"))
		s.in(second, named("b"))
		s.other(named("c"))
		s.rollsBack(second)
		s.other(named("b"))
		s.commits(first, one)
		s.other(named("a"))
	})(p)
}

func ownEventsAreHidden(p *probe) {
	p.append(named("a"), driver.Any, events(1)...)
	reader, tx := newFollower(), p.begin(p.handle)
	tx.append(named("a"), 1, events(2)...)
	tx.do(func(ctx context.Context) { p.ok(reader.toHead(ctx, p.drv), "read the log inside a transaction") })
	tx.append(named("b"), driver.Any, events(1)...)
	tx.do(func(ctx context.Context) { p.ok(reader.toHead(ctx, p.drv), "read the log inside a transaction") })
	p.equal(1, len(reader.records), "events handed out to the transaction, which itself appended 3 to a log of 1")
	tx.commit()
	p.ok(reader.toHead(p.ctx, p.drv), "read the log after the transaction")
	p.sameRecords(p.log(), reader.records, "what a reader got that had begun inside the transaction, compared with the log")
}
