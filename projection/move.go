package projection

import (
	"context"
	"errors"

	"github.com/tidemark-go/tidemark/eventstore"
)

// move goes on with what changes a layout, and reports whether one has changed.
func (o *ownership) move(ctx context.Context, p plan) (moved bool, err error) {
	for _, f := range o.feeds {
		doc := p.docs[f.name]
		if !doc.moving() {
			continue
		}
		err := o.repartition(ctx, f)
		if errors.As(err, new(*eventstore.HeldError)) { // an owner has not heard of it yet, or another runner does it
			continue
		}
		if err != nil {
			return moved, err
		}
		moved = true
	}
	return moved, nil
}

// repartition replaces a projection's live layout by one of as many partitions as were asked for. For that moment it
// owns all partitions of the old one.
func (o *ownership) repartition(ctx context.Context, f *feed) error {
	return o.amend(ctx, f.name, func(ctx context.Context, c *control) (err error) {
		if !c.moving() {
			return errUnchanged
		}
		at, release, err := o.seize(ctx, c.Live.parts(f.name))
		defer func() { err = errors.Join(err, release(err)) }()
		if err != nil {
			return err
		}
		c.Live = c.Live.after(at, c.Partitions, c.epoch())
		f.log.Info("projection is cut anew", "partitions", c.Partitions, "position", c.Live.Start)
		return nil
	})
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
