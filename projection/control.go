package projection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/tidemark-go/tidemark/eventstore"
)

// control is what is decided about a projection for all processes: a document in a row of its own, beside those of the
// partitions. As long as nothing was ever decided, there is none, and control is as newControl returns it.
//
// A runner looks at it at each poll. It starts on a partition only if it has found the document unchanged after it got
// the lease, and whoever changes a layout first gets every lease of the old one: so nobody works on a layout that is
// no longer in force.
type control struct {
	Live       layout `json:"live"`
	Partitions int    `json:"partitions"`       // as last asked for; if Live has another number, it is about to be replaced
	Epochs     int    `json:"epochs"`           // given to layouts so far
	Begun      bool   `json:"begun,omitempty"`  // Origin is settled
	Origin     int64  `json:"origin,omitempty"` // where the projection begins
	Paused     bool   `json:"paused,omitempty"`
	Resumed    int    `json:"resumed,omitempty"` // how often
	// Requests are what is asked for about parked streams. They stay here until there is another one, and those that are
	// done are known by the dead letter.
	Requests []request `json:"requests,omitempty"`
	Asked    int       `json:"asked,omitempty"` // requests so far
	// Rebuild is the version that is being built beside the live one.
	Rebuild  *rebuild `json:"rebuild,omitempty"`
	Versions int      `json:"versions"` // so far
}

func newControl() control {
	first := layout{Epoch: 1, Version: 1, Partitions: 1}
	return control{Live: first, Partitions: 1, Epochs: 1, Versions: 1}
}

// recut reports whether a layout is about to be replaced by one of another number of partitions.
func (c *control) recut(l layout) bool { return c.Partitions != l.Partitions }

// moving reports whether layouts are about to be replaced, so that nobody may start on them.
func (c *control) moving() bool {
	return c.recut(c.Live) || c.Rebuild != nil && (c.recut(c.Rebuild.Layout) || c.Rebuild.Stage == stageFreeze)
}

// parts returns the partitions of the live version and of the one that is being built, whether they are worked on or not.
func (c *control) parts(projection string) []part {
	all := c.Live.parts(projection)
	if c.Rebuild != nil {
		all = append(all, c.Rebuild.Layout.parts(projection)...)
	}
	return all
}

// open returns the partitions that are to be worked on.
func (c *control) open(projection string) []part {
	switch {
	case c.Paused || c.moving():
		return nil
	case c.Rebuild != nil && c.Rebuild.Cancelled:
		return c.Live.parts(projection)
	default:
		return c.parts(projection)
	}
}

// versions returns the live version and after it the one that is being built, if one is.
func (c *control) versions() []int {
	if c.Rebuild != nil {
		return []int{c.Live.Version, c.Rebuild.Layout.Version}
	}
	return []int{c.Live.Version}
}

// terms is what the document says to a worker.
type terms struct {
	requests   []request
	closed     bool  // nothing is to be done: the layout is not in force
	rebuilding bool  // the version is not live yet
	barrier    int64 // the last position to handle for now; 0 for none
	silent     int64 // no side effects up to this position
}

func (c *control) terms(l layout) terms {
	t := terms{requests: c.Requests, rebuilding: l.Epoch != c.Live.Epoch, silent: math.MaxInt64}
	if !t.rebuilding {
		t.silent = c.Live.Silent
	}
	if r := c.Rebuild; r != nil && !r.Cancelled {
		t.barrier = r.Barrier
	}
	t.closed = t.rebuilding && (c.Rebuild == nil || c.Rebuild.Cancelled || c.Rebuild.Layout.Epoch != l.Epoch)
	return t
}

func (c *control) epoch() int {
	c.Epochs++
	return c.Epochs
}

const controlSuffix = "@control"

func controlRow(projection string) string { return projection + controlSuffix }

func readControl(lease eventstore.Lease) (control, error) {
	c := newControl()
	if len(lease.State) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(lease.State, &c); err != nil {
		return c, fmt.Errorf("the document in the row %q is damaged: %w", lease.Name, err)
	}
	return c, nil
}

// errUnchanged is returned by a change that has nothing to do.
var errUnchanged = errors.New("projection: nothing to change")

// amend changes a projection's document, in one transaction with whatever change does with its context, where the driver
// has transactions. It waits for others who change it.
func (r *Runner) amend(ctx context.Context, name string, change func(ctx context.Context, c *control) error) error {
	for {
		err := transact(ctx, r.store, func(ctx context.Context) error { return r.amendOnce(ctx, name, change) })
		if errors.Is(err, errUnchanged) {
			return nil
		}
		var held *controlHeldError
		if !errors.As(err, &held) {
			return err
		}
		pause(ctx, busyRetry)
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// controlHeldError reports that somebody else is changing a projection's document.
type controlHeldError struct{ err *eventstore.HeldError }

// Error implements error.
func (e *controlHeldError) Error() string { return e.err.Error() }

// Unwrap implements errors.Is and errors.As.
func (e *controlHeldError) Unwrap() error { return e.err }

func (r *Runner) amendOnce(ctx context.Context, name string, change func(ctx context.Context, c *control) error) (err error) {
	lease, err := r.store.AcquireLease(ctx, controlRow(name), r.steward, r.opts.Lease)
	var held *eventstore.HeldError
	switch {
	case errors.As(err, &held):
		return &controlHeldError{held}
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, r.letGo(ctx, lease, err)) }()
	c, err := readControl(lease)
	if err != nil {
		return err
	}
	if err := change(ctx, &c); err != nil {
		return err
	}
	if lease.State, err = json.Marshal(c); err != nil {
		return err
	}
	return r.store.SaveLease(ctx, lease, lease.Position)
}

// letGo releases a lease that was held for a moment. In a transaction that fails the rollback does that.
func (r *Runner) letGo(ctx context.Context, lease eventstore.Lease, failed error) error {
	if failed != nil && r.store.InTransaction(ctx) {
		return nil
	}
	return r.store.ReleaseLease(context.WithoutCancel(ctx), lease.Name, lease.Token)
}

// transact runs fn in a transaction if the driver has them.
func transact(ctx context.Context, store *eventstore.Store, fn func(ctx context.Context) error) error {
	if store.Transactional() {
		return store.Transact(ctx, fn)
	}
	return fn(ctx)
}
