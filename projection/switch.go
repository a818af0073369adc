package projection

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// promote goes on with making the version that was built the live one, and reports whether it has.
func (o *ownership) promote(ctx context.Context, f *feed, p plan) (bool, error) {
	doc := p.docs[f.name]
	switch r := doc.Rebuild; {
	case r == nil || r.Cancelled || doc.Paused || !f.rebuilds():
		return false, nil
	case r.Stage == stageBuild:
		caughtUp, err := o.caughtUp(ctx, f, p.rs, &doc)
		if err != nil || !caughtUp {
			return false, err
		}
		return true, o.freeze(ctx, f, &doc)
	case r.Stage == stageFreeze:
		return true, o.setBarrier(ctx, f)
	case o.drained(f, p.rs, &doc):
		return true, o.swap(ctx, f)
	case p.rs.gaveUpBuilding(f, &doc):
		return true, o.retreat(ctx, f)
	default:
		return false, nil
	}
}

// caughtUp reports whether a version is within a batch of the head, or of the live one as long as that is run, and has not
// been given up.
func (o *ownership) caughtUp(ctx context.Context, f *feed, rs roster, doc *control) (bool, error) {
	if rs.gaveUpBuilding(f, doc) {
		return false, nil
	}
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

// gaveUpBuilding reports whether a partition has been given up of the version that is being built.
func (rs roster) gaveUpBuilding(f *feed, doc *control) bool {
	return slices.ContainsFunc(doc.Rebuild.Layout.parts(f.name), func(p part) bool { return rs.gaveUp(p, doc) })
}

// retreat lets the old version go on, since the new one will not come to the barrier by itself.
func (o *ownership) retreat(ctx context.Context, f *feed) error {
	return o.stage(ctx, f, stageDrain, func(ctx context.Context, c *control) error {
		rs, err := o.roster(ctx)
		if err != nil || !rs.gaveUpBuilding(f, c) {
			return errors.Join(err, errUnchanged)
		}
		f.log.Warn("projection is not switched to another version, which has stopped", "version", c.Rebuild.Layout.Version)
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
		from, to := c.Live.Version, c.Rebuild.Layout.Version
		if err := f.onSwitch(deliver(ctx, to, false), from, to); err != nil {
			return err
		}
		f.log.Info("projection is switched to another version", "from", from, "to", to, "position", c.Rebuild.Barrier)
		c.Live, c.Rebuild = c.Rebuild.Layout, nil
		return nil
	})
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
