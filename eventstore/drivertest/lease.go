package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func leases() clause {
	needs := []need{leaser}
	both := []need{leaser, checkpointer}
	inTx := []need{leaser, transactor}
	atOnce := []need{leaser, checkpointer, transactor, manyWriters}
	return clause{id: "Leaser", text: "A checkpoint has one owner at a time. Acquire succeeds if nobody owns it, if its owner's " +
		"time is over, or if the caller owns it already; the token grows with each change of owner. SaveLease changes nothing " +
		"unless the caller is the owner and the position is where it left it.",
		cases: []testCase{
			{name: "a lease is denied to others until its time is over", needs: needs, run: leaseDenied},
			{name: "an owner renews its lease, even late", needs: needs, run: leaseRenewed},
			{name: "a released lease is free at once, under a new token", needs: needs, run: leaseReleased},
			{name: "only the current owner saves", needs: needs, run: onlyOwnerSaves},
			{name: "an owner that has its lease back saves under the new token alone", needs: needs, run: onlyNewTokenSaves},
			{name: "a lease is saved from where it is", needs: both, run: leaseElsewhere},
			{name: "a lease is the checkpoint of the same name", needs: both, run: leaseIsCheckpoint},
			{name: "a lease comes back as it was saved, whatever it holds", needs: needs, run: leasesRoundtrip},
			{name: "slices are neither kept nor shared", needs: needs, run: leaseSlices},
			{name: "leases are listed by the begin of their names, in order", needs: both, run: leasesByPrefix},
			{name: "a lease after a restart", needs: []need{leaser, reopen}, run: leaseAfterRestart},
			{name: "one of many that acquire wins", needs: needs, run: oneAcquirerWins},
			{name: "owners that replace each other save in the order of their tokens", needs: needs, run: tokensInOrder},
			{name: "an answer inside a transaction leaves it usable", needs: inTx, run: leaseAnswersInside},
			{name: "whoever acquires beside a transaction learns how it ended", needs: inTx, run: takeoverIsLearned},
			{name: "an owner that is being replaced learns how that ended", needs: inTx, run: replacedLearns},
			{name: "nobody waits for a transaction that holds the lease", needs: atOnce, run: deniedAtOnce},
			{name: "nobody waits for a transaction that was denied", needs: atOnce, run: deniedHoldsNothing},
		}}
}

// leaseTime is how long the leases of the cases last.
const leaseTime = time.Minute

// acquire makes owner the owner of a lease for leaseTime.
func (h *handle) acquire(ctx context.Context, name, owner string, now time.Time) (lease driver.Lease, err error) {
	err = retryRace(ctx, func() error {
		lease, err = h.drv.(driver.Leaser).Acquire(ctx, name, owner, now, now.Add(leaseTime))
		return err
	})
	return lease, err
}

// acquired ends the case unless owner gets the lease.
func (h *handle) acquired(ctx context.Context, name, owner string, now time.Time) driver.Lease {
	lease, err := h.acquire(ctx, name, owner, now)
	h.p.ok(err, "acquire lease %q for %s", name, owner)
	h.p.equal([]any{name, owner}, []any{lease.Name, lease.Owner}, "name and owner of an acquired lease")
	h.p.ok(compareTime("until", now.Add(leaseTime), lease.Until), "what Acquire of lease %q for %s returns", name, owner)
	h.p.ok(compareTime("updated at", now, lease.UpdatedAt), "what Acquire of lease %q for %s returns", name, owner)
	h.p.that(lease.Token > 0, "the token of lease %q is %d: it should be 1 or more", name, lease.Token)
	return lease
}

// denied ends the case unless err is a *driver.HeldError with what is stored.
func (p *probe) denied(err error, stored driver.Lease, format string, args ...any) {
	var held *driver.HeldError
	if !errors.As(err, &held) {
		p.fail("%s: want a *driver.HeldError, got %v", fmt.Sprintf(format, args...), brief(err))
	}
	p.ok(compareLease(stored, held.Lease), "%s: lease of the *driver.HeldError", fmt.Sprintf(format, args...))
}

// saveLease saves a lease for another leaseTime.
func (h *handle) saveLease(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
	l.Until = at.Add(leaseTime)
	return retryRace(ctx, func() error { return h.drv.(driver.Leaser).SaveLease(ctx, l, from, at) })
}

// saved moves a lease and returns it as it is then.
func (h *handle) saved(ctx context.Context, l driver.Lease, to int64, at time.Time) driver.Lease {
	from := l.Position
	l.Position, l.Until = to, at.Add(leaseTime)
	h.p.ok(h.saveLease(ctx, l, from, at), "save lease %q at position %d, from %d", l.Name, to, from)
	l.UpdatedAt = at
	return l
}

func (h *handle) release(ctx context.Context, name string, token int64, at time.Time) {
	err := retryRace(ctx, func() error { return h.drv.(driver.Leaser).ReleaseLease(ctx, name, token, at) })
	h.p.ok(err, "release lease %q with token %d", name, token)
}

// leaseIs ends the case unless this lease is stored; the text says after which call.
func (h *handle) leaseIs(ctx context.Context, want driver.Lease, format string, args ...any) {
	after := fmt.Sprintf(format, args...)
	list, err := h.drv.(driver.Leaser).Leases(ctx, want.Name)
	h.p.ok(err, "list the leases %q, after %s", want.Name, after)
	i := slices.IndexFunc(list, func(l driver.Lease) bool { return l.Name == want.Name })
	h.p.that(i >= 0, "lease %q is not listed, after %s", want.Name, after)
	h.p.ok(compareLease(want, list[i]), "lease %q as it is listed, after %s", want.Name, after)
}

func compareLease(want, got driver.Lease) error {
	switch {
	case want.Name != got.Name:
		return differ("name", want.Name, got.Name)
	case want.Position != got.Position:
		return differ("position", want.Position, got.Position)
	case want.Token != got.Token:
		return differ("token", want.Token, got.Token)
	case want.Owner != got.Owner:
		return differ("owner", want.Owner, got.Owner)
	case !bytes.Equal(want.State, got.State) || (want.State == nil) != (got.State == nil):
		return differ("state", want.State, got.State)
	}
	return errors.Join(compareTime("until", want.Until, got.Until), compareTime("updated at", want.UpdatedAt, got.UpdatedAt))
}

// state returns a lease with a document.
func state(l driver.Lease, text string) driver.Lease {
	l.State = []byte(text)
	return l
}

func leaseDenied(p *probe) {
	one := p.acquired(p.ctx, "a", "one", someTime)
	p.equal([]any{int64(0), []byte(nil)}, []any{one.Position, one.State}, "position and document of a new lease")
	for _, now := range []time.Time{someTime, someTime.Add(leaseTime - time.Microsecond)} {
		_, err := p.acquire(p.ctx, "a", "two", now)
		p.denied(err, one, "acquire a lease of %v for another owner after %v", leaseTime, now.Sub(someTime))
		p.leaseIs(p.ctx, one, "Acquire for another owner")
	}
	one = p.saved(p.ctx, state(one, `{"n": 1}`), 7, someTime)
	two := p.acquired(p.ctx, "a", "two", one.Until)
	p.that(two.Token > one.Token, "the token of a lease that changed its owner is %d, it was %d", two.Token, one.Token)
	p.equal([]any{one.Position, string(one.State)}, []any{two.Position, string(two.State)}, "position and document after a change of owner")
	p.leaseIs(p.ctx, two, "Acquire for another owner, once its time was over")
	_, err := p.acquire(p.ctx, "a", "one", one.Until)
	p.denied(err, two, "acquire a lease again that has another owner")
}

func leaseRenewed(p *probe) {
	lease := p.saved(p.ctx, state(p.acquired(p.ctx, "a", "one", someTime), `[1]`), 3, someTime)
	for _, after := range []time.Duration{0, time.Second, time.Hour, time.Minute} {
		now := someTime.Add(after)
		renewed := p.acquired(p.ctx, "a", "one", now)
		lease.UpdatedAt, lease.Until = now, now.Add(leaseTime)
		p.ok(compareLease(lease, renewed), "lease that its owner acquires again after %v", after)
		p.leaseIs(p.ctx, lease, "Acquire for its owner")
	}
}

func leaseReleased(p *probe) {
	lease := p.saved(p.ctx, state(p.acquired(p.ctx, "a", "one", someTime), `[1]`), 3, someTime)
	later := someTime.Add(time.Second)
	for _, token := range []int64{lease.Token - 1, lease.Token + 1} {
		p.release(p.ctx, "a", token, later)
		p.leaseIs(p.ctx, lease, "ReleaseLease with token %d, which is not its own", token)
	}
	p.release(p.ctx, "never acquired", 1, later)
	p.release(p.ctx, "a", lease.Token, later)
	free := lease
	free.Owner, free.Until, free.UpdatedAt = "", time.Time{}, later
	p.leaseIs(p.ctx, free, "ReleaseLease")
	p.release(p.ctx, "a", lease.Token, later.Add(time.Second))
	p.leaseIs(p.ctx, free, "a second ReleaseLease")
	for _, owner := range []string{"one", "two", "two"} {
		next := p.acquired(p.ctx, "a", owner, later)
		p.that(next.Token > lease.Token, "the token of a lease acquired by %s after a release is %d, it was %d", owner, next.Token, lease.Token)
		p.equal([]any{lease.Position, string(lease.State)}, []any{next.Position, string(next.State)}, "position and document after a release")
		p.release(p.ctx, "a", next.Token, later)
		lease = next
	}
}

// onlyOwnerSaves tries to save in the place of an owner, in every way that is not its own.
func onlyOwnerSaves(p *probe) {
	late := someTime.Add(time.Hour)
	old := p.acquired(p.ctx, "a", "one", someTime)
	old = p.saved(p.ctx, old, 5, late) // after its time, but nobody has taken it
	current := p.acquired(p.ctx, "a", "two", late.Add(time.Hour))
	current = p.saved(p.ctx, state(current, `"two"`), 5, late)
	forged := current
	forged.Owner = "one"
	unknown := current
	unknown.Name = "b"
	for who, l := range map[string]driver.Lease{"an owner that was replaced": old, "somebody with the owner's token": forged,
		"the owner of another lease": unknown} {
		for _, from := range []int64{5, 0} {
			l.Position = 9
			p.is(p.saveLease(p.ctx, l, from, late), driver.ErrLeaseLost, "save a lease as %s", who)
		}
	}
	p.leaseIs(p.ctx, current, "SaveLease of others")
	p.release(p.ctx, "a", current.Token, late)
	p.is(p.saveLease(p.ctx, current, 5, late), driver.ErrLeaseLost, "save a lease after it was released")
	free := current
	free.Owner, free.Until = "", time.Time{}
	p.leaseIs(p.ctx, free, "ReleaseLease")
	list, err := p.drv.(driver.Leaser).Leases(p.ctx, "")
	p.ok(err, "list the leases")
	p.equal(1, len(list), "number of leases")
}

// onlyNewTokenSaves has an owner lose its lease, to another one or by a release, and get it back. What it still does under a
// token of before comes from a part of it that has slept meanwhile, and must not be saved: its name proves nothing.
func onlyNewTokenSaves(p *probe) {
	now := someTime
	current := p.saved(p.ctx, p.acquired(p.ctx, "a", "one", now), 5, now)
	var before []driver.Lease
	for _, lose := range []func(){
		func() { p.acquired(p.ctx, "a", "two", now) },
		func() { p.release(p.ctx, "a", current.Token, now) },
		func() { p.release(p.ctx, "a", p.acquired(p.ctx, "a", "two", now).Token, now) },
	} {
		before = append(before, current)
		now = now.Add(leaseTime)
		lose()
		now = now.Add(leaseTime)
		current = p.saved(p.ctx, state(p.acquired(p.ctx, "a", "one", now), `"back"`), 5, now)
		never := current
		never.Token++
		for _, l := range append(before, never) {
			l.Position = 9
			p.is(p.saveLease(p.ctx, l, 5, now), driver.ErrLeaseLost, "save a lease under token %d as its owner, whose token is %d",
				l.Token, current.Token)
			p.leaseIs(p.ctx, current, "SaveLease under a token that is not the current one")
		}
	}
	p.saved(p.ctx, current, 6, now)
}

func leaseElsewhere(p *probe) {
	lease := p.acquired(p.ctx, "a", "one", someTime)
	for _, to := range []int64{5, 5, 2, 0, 7} {
		lease = p.saved(p.ctx, lease, to, someTime)
		for _, from := range []int64{to - 1, to + 1} {
			l := state(lease, `"moved"`)
			l.Position = 9
			p.is(p.saveLease(p.ctx, l, from, someTime.Add(time.Second)), driver.ErrCheckpointMoved,
				"save a lease that is at %d from %d", to, from)
			p.leaseIs(p.ctx, lease, "SaveLease from %d", from)
		}
	}
}

func leaseIsCheckpoint(p *probe) {
	p.ok(p.moveCheckpoint(p.ctx, "a", 0, 5), "move a checkpoint from 0 to 5")
	p.leaseIs(p.ctx, driver.Lease{Name: "a", Position: 5, UpdatedAt: someTime}, "SaveCheckpoint")
	lease := p.acquired(p.ctx, "a", "one", someTime)
	p.equal(int64(5), lease.Position, "position of the lease")
	lease = p.saved(p.ctx, state(lease, `{}`), 8, someTime.Add(time.Second))
	p.checkpointIs("a", 8)
	p.is(p.moveCheckpoint(p.ctx, "a", 5, 6), driver.ErrCheckpointMoved, "move a checkpoint that is at 8 from 5")
	p.ok(p.moveCheckpoint(p.ctx, "a", 8, 3), "move a checkpoint that has an owner from 8 to 3")
	lease.Position, lease.UpdatedAt = 3, someTime
	p.leaseIs(p.ctx, lease, "SaveCheckpoint while it had an owner")
	p.is(p.saveLease(p.ctx, lease, 8, someTime), driver.ErrCheckpointMoved, "save a lease whose checkpoint was moved")
	p.acquired(p.ctx, "b", "one", someTime)
	p.checkpointIs("b", 0)
	p.ok(p.moveCheckpoint(p.ctx, "b", 0, 1), "move the checkpoint of a lease that was acquired and not saved")
}

func leasesRoundtrip(p *probe) {
	variants := append(jsonPayloads(), identities()...)
	for i, e := range append(variants, times()...) {
		name := fmt.Sprintf("%d", i)
		lease := p.acquired(p.ctx, name, e.Type, e.RecordedAt.Add(-leaseTime))
		lease = p.saved(p.ctx, state(lease, string(e.Data)), int64(i)<<40, e.RecordedAt.Add(-leaseTime))
		p.leaseIs(p.ctx, lease, "SaveLease")
		lease.State = nil
		p.leaseIs(p.ctx, p.saved(p.ctx, lease, 0, lease.UpdatedAt), "SaveLease without a document")
	}
}

func leaseSlices(p *probe) {
	want := state(p.acquired(p.ctx, "a", "one", someTime), `{"n": 1}`)
	given := state(want, string(want.State))
	p.saved(p.ctx, given, 0, someTime)
	p.ok(compareLease(want, given), "the caller's lease after SaveLease")
	clear(given.State)
	p.leaseIs(p.ctx, want, "the caller changed what SaveLease was given")
	again := p.acquired(p.ctx, "a", "one", someTime)
	clear(again.State)
	p.leaseIs(p.ctx, want, "the caller changed what Acquire returned")
}

func leasesByPrefix(p *probe) {
	var names []string
	for i, text := range oddTexts() {
		names = append(names, text, fmt.Sprintf("%.20s/%d", text, i))
	}
	for i, name := range names {
		if i%3 == 0 {
			p.acquired(p.ctx, name, "one", someTime)
		} else {
			p.ok(p.moveCheckpoint(p.ctx, name, 0, 1), "move checkpoint %q", name)
		}
	}
	slices.Sort(names)
	for _, prefix := range append(oddTexts(), "", "a", "b", "日", "a/", "%/", "_/", "none") {
		want := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, prefix) })
		list, err := p.drv.(driver.Leaser).Leases(p.ctx, prefix)
		p.ok(err, "list the leases %q", prefix)
		var got []string
		for _, l := range list {
			got = append(got, l.Name)
		}
		p.equal(strings.Join(want, "\n"), strings.Join(got, "\n"), "names of the leases that begin with %q", prefix)
	}
}

func leaseAfterRestart(p *probe) {
	lease := p.saved(p.ctx, state(p.acquired(p.ctx, "a", "one", someTime), `[1]`), 3, someTime)
	p.restart()
	p.leaseIs(p.ctx, lease, "a restart")
	p.saved(p.ctx, lease, 4, someTime)
	p.that(p.acquired(p.ctx, "a", "two", someTime.Add(leaseTime)).Token > lease.Token, "the token does not grow after a restart")
}
