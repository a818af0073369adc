package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Pause has a projection rest, in all processes: the batches in hand are finished, its owners let go of it, and nobody
// takes it until Resume. It returns when that is written down; the owners find out within RunnerOptions.Poll. It works
// from any process and may be called again.
func (r *Runner) Pause(ctx context.Context, name string) error {
	return r.operate(ctx, "pause", name, func(_ context.Context, c *control) error {
		c.Paused = true
		return nil
	})
}

// Resume ends a Pause. It also has a projection tried again that has given up, without a new Run. It works from any
// process and may be called again.
func (r *Runner) Resume(ctx context.Context, name string) error {
	return r.operate(ctx, "resume", name, func(_ context.Context, c *control) error {
		c.Paused = false
		c.Resumed++
		return nil
	})
}

// operate changes a projection's document and has Run look at it.
func (r *Runner) operate(ctx context.Context, what, name string, change func(ctx context.Context, c *control) error) error {
	if r.feed(name) == nil {
		return fmt.Errorf("%w: %q is not among those that NewRunner was given", ErrUnknown, name)
	}
	if err := r.amend(ctx, name, change); err != nil {
		return fmt.Errorf("projection: %s %q: %w", what, name, err)
	}
	r.nudge()
	return nil
}

// Parked is a stream whose events a projection does not handle until Retry or Drop.
type Parked struct {
	Stream   eventstore.StreamID
	Version  int64  // of the event that failed, in its stream
	Position int64  // of the event that failed
	Type     string // of the event that failed
	Error    string // what it failed with
	Tries    int
	FirstAt  time.Time // when it was parked
	LastAt   time.Time // when it last failed
	Waiting  int       // the events of the stream that wait, that one among them
	// Rebuild is the version of the projection that is being built, if the stream is parked there, and 0 if it is parked in
	// the live one.
	Rebuild int
}

// Parked returns the streams that a projection has parked, in the order of the events that failed. It works from any
// process.
func (r *Runner) Parked(ctx context.Context, name string) ([]Parked, error) {
	var all []Parked
	err := r.eachLetter(ctx, name, func(d eventstore.DeadLetter, rebuild int) {
		if !d.Skipped {
			all = append(all, Parked{Stream: d.Stream, Version: d.Version, Position: d.Position, Type: d.Type, Error: d.Error,
				Tries: d.Tries, FirstAt: d.FirstAt, LastAt: d.LastAt, Rebuild: rebuild})
		}
	})
	for i := range all {
		if err == nil {
			err = r.countWaiting(ctx, name, &all[i])
		}
	}
	if err != nil {
		return nil, fmt.Errorf("projection: list what %q has parked: %w", name, err)
	}
	return all, nil
}

func (r *Runner) countWaiting(ctx context.Context, name string, p *Parked) error {
	opts := &eventstore.StreamOptions{From: p.Version, Types: r.feed(name).recipe.types, Raw: true}
	for _, err := range r.store.Stream(ctx, p.Stream, opts) {
		if err != nil {
			return err
		}
		p.Waiting++
	}
	return nil
}

// Skipped returns the events that a projection has left out for good, by its policy or by Drop, in their order. It works
// from any process.
func (r *Runner) Skipped(ctx context.Context, name string) ([]eventstore.DeadLetter, error) {
	var all []eventstore.DeadLetter
	err := r.eachLetter(ctx, name, func(d eventstore.DeadLetter, rebuild int) {
		if d.Skipped && rebuild == 0 {
			all = append(all, d)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("projection: list what %q has skipped: %w", name, err)
	}
	return all, nil
}

// eachLetter calls f with the dead letters of a projection; rebuild is 0 for those of the live version.
func (r *Runner) eachLetter(ctx context.Context, name string, f func(d eventstore.DeadLetter, rebuild int)) error {
	versions, err := r.versions(ctx, name)
	if err != nil {
		return err
	}
	for i, version := range versions {
		rebuild := version
		if i == 0 {
			rebuild = 0
		}
		err := eachLetter(ctx, r.store, letters(name, version), func(d eventstore.DeadLetter) { f(d, rebuild) })
		if err != nil {
			return err
		}
	}
	return nil
}

// versions returns the live version of a projection and after it the one that is being built, if one is.
func (r *Runner) versions(ctx context.Context, name string) ([]int, error) {
	if r.feed(name) == nil {
		return nil, fmt.Errorf("%w: %q is not among those that NewRunner was given", ErrUnknown, name)
	}
	leases, err := r.store.Leases(ctx, controlRow(name))
	if err != nil && !errors.Is(err, eventstore.ErrNotSupported) {
		return nil, err
	}
	c, err := newRoster(time.Time{}, leases).control(name)
	return c.versions(), err
}

// Retry has the events of a parked stream handled, in order, from the one that failed on. Then the stream goes on with
// the others; if one fails again, the stream is parked there, after this single try. Retry returns when the request is
// written down, and the owner of the stream's partition carries it out within RunnerOptions.Poll. It is ErrNotParked if
// the stream is not parked. It works from any process.
func (r *Runner) Retry(ctx context.Context, name string, stream eventstore.StreamID) error {
	return r.ask(ctx, "retry", name, stream, false)
}

// Drop is Retry without the event that failed: that one is given up for good, and recorded as skipped.
func (r *Runner) Drop(ctx context.Context, name string, stream eventstore.StreamID) error {
	return r.ask(ctx, "drop", name, stream, true)
}

func (r *Runner) ask(ctx context.Context, what, name string, stream eventstore.StreamID, drop bool) error {
	return r.operate(ctx, fmt.Sprintf("%s %q in", what, stream), name, func(ctx context.Context, c *control) error {
		var open []request
		asked := c.Asked
		for _, version := range c.versions() {
			err := eachLetter(ctx, r.store, letters(name, version), func(d eventstore.DeadLetter) {
				for _, r := range c.Requests {
					if r.open(d) {
						open = append(open, r)
					}
				}
				if !d.Skipped && d.Stream == stream {
					c.Asked++
					open = append(open, request{ID: c.Asked, Letters: d.Projection, Position: d.Position, Drop: drop})
				}
			})
			if err != nil {
				return err
			}
		}
		if c.Asked == asked {
			return ErrNotParked
		}
		c.Requests = open
		return nil
	})
}
