package projection

import (
	"context"
	"errors"

	"github.com/tidemark-go/tidemark/eventstore"
)

// move goes on with what changes layouts, and reports whether one has changed. What fails is tried again at the next poll.
func (o *ownership) move(ctx context.Context, p plan) (moved bool) {
	for _, f := range o.feeds {
		changed, err := o.moveOne(ctx, f, p)
		switch {
		case err == nil:
			moved = moved || changed
		case errors.As(err, new(*eventstore.HeldError)): // an owner has not heard of it yet, or another runner does it
		case ctx.Err() == nil:
			f.log.Warn("projection could not be moved to other partitions or to another version, another try follows",
				append(stack(err), "error", err)...)
		}
	}
	return moved
}

func (o *ownership) moveOne(ctx context.Context, f *feed, p plan) (bool, error) {
	doc := p.docs[f.name]
	if doc.recut(doc.Live) || doc.Rebuild != nil && doc.recut(doc.Rebuild.Layout) {
		return true, o.repartition(ctx, f)
	}
	return o.promote(ctx, f, p)
}

// repartition replaces a projection's layouts by some of as many partitions as were asked for. For that moment it owns all
// partitions of the old ones.
func (o *ownership) repartition(ctx context.Context, f *feed) error {
	return o.amend(ctx, f.name, func(ctx context.Context, c *control) error {
		changed := false
		layouts := []*layout{&c.Live}
		if c.Rebuild != nil {
			layouts = append(layouts, &c.Rebuild.Layout)
		}
		for _, l := range layouts {
			if !c.recut(*l) {
				continue
			}
			changed = true
			if err := o.recut(ctx, f, c, l); err != nil {
				return err
			}
		}
		if !changed {
			return errUnchanged
		}
		return nil
	})
}

func (o *ownership) recut(ctx context.Context, f *feed, c *control, l *layout) (err error) {
	at, release, err := o.seize(ctx, l.parts(f.name))
	defer func() { err = errors.Join(err, release(err)) }()
	if err != nil {
		return err
	}
	*l = l.after(at, c.Partitions, c.epoch())
	f.log.Info("projection is cut anew", "version", l.Version, "partitions", l.Partitions, "position", l.Start)
	return nil
}

// seize makes this runner's steward the owner of partitions, and returns where they stand. It fails with
// *eventstore.HeldError if one of them has an owner. release lets go of those it got.
func (r *Runner) seize(ctx context.Context, parts []part) (at []int64, release func(failed error) error, err error) {
	var leases []eventstore.Lease
	release = func(failed error) error {
		var errs []error
		for _, l := range leases {
			errs = append(errs, r.letGo(ctx, l, failed))
		}
		return errors.Join(errs...)
	}
	for _, p := range parts {
		lease, err := r.store.AcquireLease(ctx, p.row(), r.steward, r.opts.Lease)
		if err != nil {
			return nil, release, err
		}
		leases = append(leases, lease)
		at = append(at, max(lease.Position, p.layout.Start))
	}
	return at, release, nil
}
