package projection

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore"
)

// promote goes on with making the version that was built the live one, and reports whether it has.
func (o *ownership) promote(ctx context.Context, f *feed, p plan) (bool, error) {
	doc := p.docs[f.name]
	switch r := doc.Rebuild; {
	case r == nil || r.Cancelled || doc.Paused || !f.rebuilds():
		return false, nil
	case r.Stage == stageBuild:
		return o.approach(ctx, f, p.rs, &doc)
	case r.Stage == stageFreeze:
		return true, o.setBarrier(ctx, f)
	default:
		return o.drain(ctx, f, p.rs, &doc)
	}
}

// approach begins with the switch when it is time to.
func (o *ownership) approach(ctx context.Context, f *feed, rs roster, doc *control) (bool, error) {
	caughtUp, err := o.caughtUp(ctx, f, rs, doc)
	if err != nil || !caughtUp {
		return false, err
	}
	why, err := o.hindrance(ctx, f, rs, doc)
	if err != nil || why != nil {
		o.postponed(f, doc, why)
		return false, err
	}
	return true, o.freeze(ctx, f, doc)
}

// drain ends the switch when both versions have come to the barrier, or calls it off if they can't.
func (o *ownership) drain(ctx context.Context, f *feed, rs roster, doc *control) (bool, error) {
	why, err := o.hindrance(ctx, f, rs, doc)
	switch {
	case err != nil:
		return false, err
	case why != nil:
		return true, o.retreat(ctx, f)
	case o.drained(f, rs, doc):
		return true, o.swap(ctx, f)
	default:
		return false, nil
	}
}

var (
	errGaveUp = errors.New("it has stopped: see Status, and call Resume when it is mended")
	errOwes   = errors.New("streams are parked in the version in use, whose side effects would never be done: call Retry or Drop")
)

// hindrance returns why a version can't be switched to for now; nil if it can.
//
// Side effects up to the barrier are the old version's to do, and it does none for parked streams behind the switch. The new
// one could not do them instead, since it has handled most of these events by then. So the switch waits until
// somebody has decided about them, and both versions go on meanwhile.
func (o *ownership) hindrance(ctx context.Context, f *feed, rs roster, doc *control) (why, err error) {
	for _, p := range doc.Rebuild.Layout.parts(f.name) {
		if rs.gaveUp(p, doc) {
			return errGaveUp, nil
		}
	}
	live := doc.Live.parts(f.name)
	err = eachLetter(ctx, o.store, letters(f.name, doc.Live.Version), func(d eventstore.DeadLetter) {
		p := live[among(hash(d.Stream), len(live))]
		if f.recipe.effects && !d.Skipped && !rs.gaveUp(p, doc) {
			why = errOwes
		}
	})
	if errors.Is(err, eventstore.ErrNotSupported) {
		err = nil
	}
	return why, err
}

// postponed tells why there is no switch yet, once.
func (o *ownership) postponed(f *feed, doc *control, why error) {
	if why != nil && o.waits[f.name] != why {
		f.log.Warn("projection is not switched to another version for now", "version", doc.Rebuild.Layout.Version, "error", why)
	}
	o.waits[f.name] = why
}

// caughtUp reports whether a version is within a batch of the head, or of the live one as long as that is run.
func (o *ownership) caughtUp(ctx context.Context, f *feed, rs roster, doc *control) (bool, error) {
	head, err := o.store.Head(ctx)
	if err != nil {
		return false, err
	}
	goal := head
	for _, p := range doc.Live.parts(f.name) {
		if rs.owner(p.row()) != "" {
			goal = min(goal, rs.position(p))
		}
	}
	for _, p := range doc.Rebuild.Layout.parts(f.name) {
		if rs.position(p)+int64(f.opts.BatchSize) < goal {
			return false, nil
		}
	}
	return true, nil
}

// freeze has every owner of both versions let go.
func (o *ownership) freeze(ctx context.Context, f *feed, seen *control) error {
	return o.stage(ctx, f, stageBuild, func(_ context.Context, c *control) error {
		if c.Rebuild.Layout.Epoch != seen.Rebuild.Layout.Epoch {
			return errUnchanged
		}
		c.Rebuild.Stage = stageFreeze
		return nil
	})
}

// setBarrier settles up to where the old version goes, and from where on the new one is the live one. No partition of either
// has handled anything behind it, now or in an earlier layout: what the old one has handled, readers have seen, and what
// the new one has handled it kept silent about.
func (o *ownership) setBarrier(ctx context.Context, f *feed) error {
	return o.stage(ctx, f, stageFreeze, func(ctx context.Context, c *control) (err error) {
		at, release, err := o.seize(ctx, c.parts(f.name))
		defer func() { err = errors.Join(err, release(err)) }()
		if err != nil {
			return err
		}
		c.Rebuild.Barrier = max(slices.Max(at), c.Live.furthest(), c.Rebuild.Layout.furthest())
		c.Rebuild.Stage = stageDrain
		return nil
	})
}

// drained reports whether both versions have come to the barrier. The old one does not matter where it has stopped, or if
// it has no side effects.
func (o *ownership) drained(f *feed, rs roster, doc *control) bool {
	for _, p := range doc.Rebuild.Layout.parts(f.name) {
		if rs.position(p) < doc.Rebuild.Barrier {
			return false
		}
	}
	for _, p := range doc.Live.parts(f.name) {
		if f.recipe.effects && rs.position(p) < doc.Rebuild.Barrier && !rs.gaveUp(p, doc) {
			return false
		}
	}
	return true
}

// gaveUp reports whether a partition has been given up, wherever that was.
func (rs roster) gaveUp(p part, doc *control) bool {
	stop := rs.note(p).Stop
	return stop != nil && stop.Resumed == doc.Resumed && rs.owner(p.row()) == ""
}

// retreat lets both versions go on, since the switch would have to wait for somebody.
func (o *ownership) retreat(ctx context.Context, f *feed) error {
	return o.stage(ctx, f, stageDrain, func(ctx context.Context, c *control) error {
		rs, err := o.roster(ctx)
		if err != nil {
			return err
		}
		why, err := o.hindrance(ctx, f, rs, c)
		if err != nil || why == nil {
			return errors.Join(err, errUnchanged)
		}
		o.postponed(f, c, why)
		c.Rebuild.Stage, c.Rebuild.Barrier = stageBuild, 0
		return nil
	})
}

// swap makes the new version the live one.
func (o *ownership) swap(ctx context.Context, f *feed) error {
	return o.stage(ctx, f, stageDrain, func(ctx context.Context, c *control) error {
		rs, err := o.roster(ctx)
		if err != nil || !o.drained(f, rs, c) {
			return errors.Join(err, errUnchanged)
		}
		if why, err := o.hindrance(ctx, f, rs, c); err != nil || why != nil {
			return errors.Join(err, errUnchanged)
		}
		from, to := c.Live.Version, c.Rebuild.Layout.Version
		if err := f.onSwitch(deliver(ctx, to, false), from, to); err != nil {
			return err
		}
		f.log.Info("projection is switched to another version", "from", from, "to", to, "position", c.Rebuild.Barrier)
		o.forsake(f, rs, c)
		c.Rebuild.Layout.Silent = c.Rebuild.Barrier
		c.Live, c.Rebuild = c.Rebuild.Layout, nil
		return nil
	})
}

// forsake tells what is given up with a version that has stopped.
func (o *ownership) forsake(f *feed, rs roster, c *control) {
	for _, p := range c.Live.parts(f.name) {
		if f.recipe.effects && rs.position(p) < c.Rebuild.Barrier {
			f.log.Warn("projection has side effects that are never done: the version before had stopped", "version", c.Live.Version,
				"partition", p.label(), "after", rs.position(p), "up to", c.Rebuild.Barrier)
		}
	}
}

// onSwitch calls OnSwitch. It may panic, and that must not end Run.
func (f *feed) onSwitch(ctx context.Context, from, to int) (err error) {
	defer func() {
		if err = orPanic(err, recover()); err != nil {
			err = fmt.Errorf("OnSwitch: %w", err)
		}
	}()
	return f.opts.OnSwitch(ctx, from, to)
}

// stage changes the document if the rebuild is at a stage.
func (o *ownership) stage(ctx context.Context, f *feed, at stage, change func(ctx context.Context, c *control) error) error {
	return o.amend(ctx, f.name, func(ctx context.Context, c *control) error {
		if c.Rebuild == nil || c.Rebuild.Stage != at || c.Rebuild.Cancelled {
			return errUnchanged
		}
		return change(ctx, c)
	})
}
