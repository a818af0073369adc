package projection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// introduce puts forward what the options of each projection ask for, once a Run: of several programs that ask for
// different things, the one that started last gets it.
func (o *ownership) introduce(ctx context.Context, rs roster) (roster, error) {
	if o.old == nil {
		o.old = rs.stops()
	}
	changed := false
	for _, f := range o.feeds {
		if o.begun[f.name] {
			continue
		}
		doc, err := rs.control(f.name)
		if err != nil {
			return rs, err
		}
		if f.asksFor(doc, rs) {
			changed = true
			if err := o.amend(ctx, f.name, f.propose(o.Runner)); err != nil {
				return rs, err
			}
		}
		o.begun[f.name] = true
	}
	if !changed {
		return rs, nil
	}
	return o.roster(ctx)
}

// asksFor reports whether the options want anything else than the document says.
func (f *feed) asksFor(doc control, rs roster) bool {
	return f.opts.Partitions > 0 && f.opts.Partitions != doc.Partitions || !f.opts.From.beginning() && !f.begun(doc, rs)
}

// begun reports whether it is settled where the projection begins: it has been run, or a document says it.
func (f *feed) begun(doc control, rs roster) bool {
	l := rs.rows[f.name]
	return doc.Begun || l.Token > 0 || l.Position > 0
}

// propose returns the change that writes the options into the document. How a projection begins is settled when there is
// no document and no checkpoint yet.
func (f *feed) propose(r *Runner) func(ctx context.Context, c *control) error {
	return func(ctx context.Context, c *control) error {
		if f.opts.Partitions > 0 {
			c.Partitions = f.opts.Partitions
		}
		if f.opts.From.beginning() {
			return nil
		}
		rs, err := r.roster(ctx)
		if err != nil || f.begun(*c, rs) {
			return err
		}
		c.Begun = true
		c.Origin, err = f.opts.From.position(ctx, r.store)
		c.Live.Start = c.Origin
		return err
	}
}

// appear makes this runner visible to the others, if there are any.
func (o *ownership) appear(ctx context.Context, p plan) error {
	for n := 1; o.present == nil && !p.alone; n++ {
		row := presenceRow(n)
		if p.rs.owner(row) != "" {
			continue
		}
		t, err := acquire(ctx, o.store, row, o.owner, o.opts.Lease)
		if errors.As(err, new(*eventstore.HeldError)) {
			continue
		}
		if err != nil {
			return err
		}
		o.present = t
		state, err := json.Marshal(presence{Projections: slices.Sorted(maps.Keys(o.mine()))})
		if err != nil {
			return err
		}
		t.news(func() []byte { return state })
		return t.renew(ctx)
	}
	return nil
}

// mine returns the names of this runner's projections.
func (o *ownership) mine() map[string]bool {
	all := map[string]bool{}
	for _, f := range o.feeds {
		all[f.name] = true
	}
	return all
}

// giveUp ends the workers of what this runner should not own, and of what it no longer owns.
func (o *ownership) giveUp(p plan) {
	for row, h := range o.held {
		if owner := p.rs.owner(row); owner != "" && owner != o.owner {
			h.isLost(fmt.Errorf("%w: %s is the owner now", errLost, owner))
		}
		if !p.should[row] {
			h.end()
		}
	}
}

// isLost drops what the worker has in hand: it could not be committed.
func (h *holding) isLost(err error) {
	h.lost = err
	h.end()
	h.drop()
}

// take makes this runner the owner of what it should own, as far as nobody else is, and starts on it.
func (o *ownership) take(ctx, work context.Context, p plan) error {
	var taken []*holding
	for _, f := range o.feeds {
		doc := p.docs[f.name]
		for _, each := range doc.parts(f.name) {
			row := each.row()
			if o.inTheWay(f, each, p.rs.rows[row], p.rs.owner(row)) || !p.should[row] || o.held[row] != nil {
				continue
			}
			t, err := o.try(ctx, f, each)
			if err != nil {
				o.giveBack(work, taken)
				return err
			}
			if t != nil {
				taken = append(taken, &holding{part: each, feed: f, tenure: t})
			}
		}
	}
	return o.startOn(ctx, work, p, taken)
}

// inTheWay reports whether somebody else owns a partition. It is news once for each owner.
func (o *ownership) inTheWay(f *feed, p part, lease eventstore.Lease, owner string) bool {
	row := p.row()
	if owner == "" || owner == o.owner {
		delete(o.denied, row)
		return false
	}
	o.expires = soonest(o.expires, lease.Until)
	if o.denied[row] != owner {
		o.denied[row] = owner
		f.board.count(func(t *Tenures) { t.Denied++ })
		f.log.Info("projection is run by another runner", "partition", p.label(), "owner", owner, "until", lease.Until)
	}
	return true
}

// try makes this runner the owner of a partition. It returns nil if another one was faster.
func (o *ownership) try(ctx context.Context, f *feed, p part) (*tenure, error) {
	t, err := acquire(ctx, o.store, p.row(), o.owner, o.opts.Lease)
	var held *eventstore.HeldError
	if errors.As(err, &held) {
		if owner := held.Lease.Owner; owner != "" && !isSteward(owner) {
			o.inTheWay(f, p, held.Lease, held.Lease.Owner)
		}
		return nil, nil
	}
	return t, err
}

// startOn starts on what was taken, unless a document was changed in between; see control.
func (o *ownership) startOn(ctx, work context.Context, p plan, taken []*holding) error {
	if len(taken) == 0 {
		return nil
	}
	rs, err := o.roster(ctx)
	if err != nil {
		o.giveBack(work, taken)
		return err
	}
	for _, h := range taken {
		row := controlRow(h.feed.name)
		if string(rs.rows[row].State) != string(p.rs.rows[row].State) {
			o.giveBack(work, []*holding{h})
			o.nudge()
			continue
		}
		h.feed.board.count(func(t *Tenures) { t.Taken++ })
		lease := h.tenure.current()
		h.feed.log.Info("projection begins", "partition", h.part.label(), "owner", o.owner, "token", lease.Token,
			"position", max(lease.Position, h.part.layout.Start))
		o.start(ctx, work, h)
	}
	return nil
}

func (o *ownership) giveBack(ctx context.Context, taken []*holding) {
	for _, h := range taken {
		o.release(ctx, h.tenure)
	}
}

// renew keeps the leases of workers that had nothing to save for a while.
func (o *ownership) renew(ctx context.Context) error {
	var errs []error
	for _, h := range o.held {
		if h.tenure == nil || !h.tenure.due() {
			continue
		}
		err := h.tenure.renew(ctx)
		if errors.Is(err, errLost) {
			h.isLost(err)
			err = nil
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, o.stay(ctx))...)
}

// stay keeps the row of presence.
func (o *ownership) stay(ctx context.Context) error {
	if o.present == nil || !o.present.due() {
		return nil
	}
	err := o.present.renew(ctx)
	if errors.Is(err, errLost) {
		o.present = nil
		return nil
	}
	return err
}

// soonest returns the earlier of two times, of which a zero one is none.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
