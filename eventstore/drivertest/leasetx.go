package drivertest

import (
	"context"
	"errors"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// writeLeases appends, takes and saves a lease, saves a dead letter and deletes another inside a transaction. The lease it
// saves had another owner before.
func (p *probe) writeLeases() (tx *held, saved driver.Lease) {
	p.acquired(p.ctx, "a", "before", someTime)
	p.saveDead(p.ctx, deadLetter("p", 1))
	later := someTime.Add(leaseTime)
	tx = p.begin(p.handle)
	tx.append(named("a"), driver.NoStream, events(2)...)
	tx.do(func(ctx context.Context) {
		saved = p.saved(ctx, state(p.acquired(ctx, "a", "inside", later), `[1]`), 7, later)
		p.leaseIs(ctx, saved, "SaveLease, as the transaction sees it")
		p.saveDead(ctx, deadLetter("p", 2))
		p.deleteDead(ctx, "p", 1)
		p.deadAre(ctx, "p", deadLetter("p", 2))
	})
	p.outside(func() { p.noLeases("before the transaction has ended") })
	return tx, saved
}

func (p *probe) noLeases(when string) {
	p.equal(0, len(p.log()), "events in the log %s", when)
	list, err := p.drv.(driver.Leaser).Leases(p.ctx, "")
	p.ok(err, "list the leases %s", when)
	p.equal(1, len(list), "number of leases %s", when)
	p.equal([]any{"before", int64(0)}, []any{list[0].Owner, list[0].Position}, "owner and position of the lease %s", when)
	p.deadAre(p.ctx, "p", deadLetter("p", 1))
}

func leasesCommit(p *probe) {
	tx, saved := p.writeLeases()
	tx.commit()
	p.equal(2, len(p.log()), "events in the log after the transaction was committed")
	p.leaseIs(p.ctx, saved, "the commit of SaveLease")
	p.deadAre(p.ctx, "p", deadLetter("p", 2))
}

func leasesRollBack(p *probe) {
	tx, _ := p.writeLeases()
	tx.rollback()
	p.noLeases("after the transaction was rolled back")
	p.acquired(p.ctx, "a", "after", someTime.Add(leaseTime))
}

func releaseRollsBack(p *probe) {
	lease := p.acquired(p.ctx, "a", "one", someTime)
	for _, end := range []func(*held){(*held).rollback, (*held).commit} {
		p.leaseIs(p.ctx, lease, "nothing but a ReleaseLease that was rolled back")
		tx := p.begin(p.handle)
		tx.do(func(ctx context.Context) { p.release(ctx, "a", lease.Token, someTime) })
		p.outside(func() { p.leaseIs(p.ctx, lease, "ReleaseLease in a transaction that is open") })
		end(tx)
	}
	p.acquired(p.ctx, "a", "two", someTime)
}

// leaseAnswersInside asks, inside a transaction, for what is refused, between appends that must stay.
func leaseAnswersInside(p *probe) {
	old := p.acquired(p.ctx, "a", "one", someTime)
	now := someTime.Add(leaseTime)
	current := p.saved(p.ctx, p.acquired(p.ctx, "a", "two", now), 3, now)
	tx := p.begin(p.handle)
	for _, ask := range []func(ctx context.Context){
		func(ctx context.Context) {
			p.is(p.saveLease(ctx, old, 3, now), driver.ErrLeaseLost, "save a lease as the old owner, inside a transaction")
		},
		func(ctx context.Context) {
			p.is(p.saveLease(ctx, current, 2, now), driver.ErrCheckpointMoved, "save a lease from elsewhere, inside a transaction")
		},
		func(ctx context.Context) {
			_, err := p.acquire(ctx, "a", "one", now)
			p.denied(err, current, "acquire a lease that is owned, inside a transaction")
		},
		func(ctx context.Context) { p.release(ctx, "a", old.Token, now) },
	} {
		tx.append(named("a"), driver.Any, events(1)...)
		tx.do(ask)
	}
	tx.append(named("a"), driver.Any, events(1)...)
	tx.commit()
	p.equal(5, len(p.stream(named("a"))), "events of a transaction that was refused a lease four times")
	p.leaseIs(p.ctx, current, "calls in a transaction that were refused")
}

// takeoverIsLearned has somebody ask for a lease that a transaction takes over, until the answer is no longer that it is
// held by a transaction. A database with one writer makes him wait instead.
func takeoverIsLearned(p *probe) {
	for round, committed := range []bool{false, true} {
		now := someTime.Add(time.Duration(2*round) * leaseTime)
		p.acquired(p.ctx, "a", "before", now)
		now = now.Add(leaseTime)
		var inside driver.Lease
		tx := p.begin(p.handle)
		tx.do(func(ctx context.Context) { inside = p.acquired(ctx, "a", "inside", now) })
		var answer error
		asking := p.start(func(ctx context.Context) error {
			answer = p.answer(ctx, "a", "beside", now)
			return nil
		})
		if !committed {
			tx.rollback()
			asking.wait("acquire a lease beside a transaction")
			p.ok(answer, "acquire a lease beside a transaction that takes it over and is rolled back")
			continue
		}
		tx.commit()
		asking.wait("acquire a lease beside a transaction")
		p.denied(answer, inside, "acquire a lease beside a transaction that takes it over")
	}
}

// answer acquires a lease as soon as no transaction stands in the way.
func (h *handle) answer(ctx context.Context, name, owner string, now time.Time) error {
	for {
		_, err := h.acquire(ctx, name, owner, now)
		var held *driver.HeldError
		if !errors.As(err, &held) || held.Lease.Owner == owner || held.Lease.Owner != "" && held.Lease.Until.After(now) || ctx.Err() != nil {
			return err
		}
	}
}

// replacedLearns has an owner save while a transaction takes its lease over: it must neither succeed nor fail before that
// is decided.
func replacedLearns(p *probe) {
	for round, committed := range []bool{false, true} {
		now := someTime.Add(time.Duration(2*round) * leaseTime)
		old := p.acquired(p.ctx, "a", "old", now)
		now = now.Add(leaseTime)
		tx := p.begin(p.handle)
		tx.do(func(ctx context.Context) { p.acquired(ctx, "a", "new", now) })
		var outcome error
		saving := p.start(func(ctx context.Context) error {
			outcome = p.saveLease(ctx, old, old.Position, now)
			return nil
		})
		if !committed {
			tx.rollback()
			saving.wait("save a lease beside a transaction")
			p.ok(outcome, "save a lease beside a transaction that takes it over and is rolled back")
			continue
		}
		tx.commit()
		saving.wait("save a lease beside a transaction")
		p.is(outcome, driver.ErrLeaseLost, "save a lease beside a transaction that takes it over")
	}
}

// deniedAtOnce asks for leases that transactions hold in every way. An answer that waits for their end never comes.
func deniedAtOnce(p *probe) {
	later := someTime.Add(leaseTime)
	for name, hold := range map[string]func(ctx context.Context, l driver.Lease){
		"saved":    func(ctx context.Context, l driver.Lease) { p.saved(ctx, l, 5, someTime) },
		"renewed":  func(ctx context.Context, l driver.Lease) { p.acquired(ctx, l.Name, l.Owner, someTime) },
		"released": func(ctx context.Context, l driver.Lease) { p.release(ctx, l.Name, l.Token, someTime) },
		"new":      func(ctx context.Context, _ driver.Lease) { p.acquired(ctx, "not there", "inside", someTime) },
		"moved": func(ctx context.Context, _ driver.Lease) {
			p.ok(p.moveCheckpoint(ctx, "not there either", 0, 5), "move a checkpoint inside a transaction")
		},
	} {
		lease := p.acquired(p.ctx, name, "one", someTime)
		tx := p.begin(p.handle)
		tx.do(func(ctx context.Context) { hold(ctx, lease) })
		switch name {
		case "new":
			lease = driver.Lease{Name: "not there"}
		case "moved":
			lease = driver.Lease{Name: "not there either"}
		default:
			_, err := p.acquire(p.ctx, name, "two", someTime)
			p.denied(err, lease, "acquire a lease beside a transaction in which it is %s", name)
		}
		for _, owner := range []string{"one", "two"} {
			_, err := p.acquire(p.ctx, lease.Name, owner, later)
			p.denied(err, driver.Lease{Name: lease.Name}, "acquire a lease whose time is over, beside a transaction in which it is %s, for %s", name, owner)
		}
		tx.rollback()
		p.acquired(p.ctx, lease.Name, "two", later)
	}
}

// deniedHoldsNothing has an owner go on with a lease that an open transaction has asked for in vain.
func deniedHoldsNothing(p *probe) {
	lease := p.acquired(p.ctx, "a", "one", someTime)
	tx := p.begin(p.handle)
	tx.do(func(ctx context.Context) {
		_, err := p.acquire(ctx, "a", "two", someTime)
		p.denied(err, lease, "acquire a lease that is owned, inside a transaction")
	})
	lease = p.saved(p.ctx, lease, 1, someTime)
	p.acquired(p.ctx, "a", "one", someTime)
	tx.commit()
	p.saved(p.ctx, lease, 2, someTime)
}
