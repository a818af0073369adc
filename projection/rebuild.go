package projection

import (
	"context"
	"errors"
	"fmt"
)

// rebuild is a version that is being built beside the live one.
//
// It has partitions with rows of its own, which are owned, spread and handled like all others. When they have come to the
// head, the layouts are frozen: every owner lets go, so that nobody works without knowing what follows. Then all
// partitions, of both versions, go on to one position, the barrier, and no further; and when they have come there, the new
// version becomes the live one. So no reader is taken back, and of two handlers of side effects one does its work for
// an event, the old version's up to the barrier, and the new one's from there on.
type rebuild struct {
	Layout    layout `json:"layout"`
	Stage     stage  `json:"stage"`
	Barrier   int64  `json:"barrier,omitempty"`
	Cancelled bool   `json:"cancelled,omitempty"` // nobody works on it until it is resumed
}

type stage string

const (
	stageBuild  stage = "build"
	stageFreeze stage = "freeze" // nobody works on either version, until the barrier is set
	stageDrain  stage = "drain"  // both go on to the barrier
)

var errNoRebuild = errors.New("it is not being built")

// Rebuild builds a projection's read model anew, beside the one that is in use, from the beginning of what it handles. It
// returns the number of the new version when that is written down; the processes that run the projection then build it,
// each its share, and go on with that over crashes and restarts. When it has caught up, Options.OnSwitch makes it the
// one that is in use. Status tells how far it has come.
//
// If a version is being built already, Rebuild returns its number; if that was cancelled, it is gone on with. The
// projection needs Options.OnSwitch. It works from any process.
func (r *Runner) Rebuild(ctx context.Context, name string) (version int, err error) {
	f := r.feed(name)
	if f != nil && !f.rebuilds() {
		return 0, fmt.Errorf("projection: rebuild %q: it has no OnSwitch, so handlers of both versions would write the same tables: "+
			"have them write tables by Version, and switch in OnSwitch", name)
	}
	err = r.operate(ctx, "rebuild", name, func(ctx context.Context, c *control) error {
		if c.Rebuild != nil {
			version = c.Rebuild.Layout.Version
			c.Rebuild.Cancelled = false
			return nil
		}
		c.Versions++
		version = c.Versions
		c.Rebuild = &rebuild{Stage: stageBuild,
			Layout: layout{Epoch: c.epoch(), Version: version, Partitions: c.Partitions, Start: c.Origin}}
		if f.opts.OnRebuild == nil {
			return nil
		}
		return f.opts.OnRebuild(deliver(ctx, version, true), version)
	})
	return version, err
}

// rebuilds reports whether a program can have versions beside each other. One of a release before that could is still
// running when a rebuild is begun: its handlers would write the new version's rows into the old one's table.
func (f *feed) rebuilds() bool { return f.opts.OnSwitch != nil }

// CancelRebuild has the processes leave the version alone that is being built, until Rebuild is called again. What has
// been built stays as it is.
func (r *Runner) CancelRebuild(ctx context.Context, name string) error {
	return r.operate(ctx, "cancel the rebuild of", name, func(_ context.Context, c *control) error {
		if c.Rebuild == nil {
			return errNoRebuild
		}
		c.Rebuild.Cancelled, c.Rebuild.Stage, c.Rebuild.Barrier = true, stageBuild, 0
		return nil
	})
}

// DropRebuild gives the version up that is being built. The next Rebuild begins another one. It returns its number, for the
// caller to remove what was built: an owner may still finish a batch of it within RunnerOptions.Poll.
func (r *Runner) DropRebuild(ctx context.Context, name string) (version int, err error) {
	err = r.operate(ctx, "drop the rebuild of", name, func(_ context.Context, c *control) error {
		if c.Rebuild == nil {
			return errNoRebuild
		}
		version = c.Rebuild.Layout.Version
		c.Rebuild = nil
		return nil
	})
	return version, err
}

// WaitForVersion returns nil once a version, or a later one, is the live one. Otherwise it returns the context's error,
// or an error that says that the version was dropped. It works from any process.
func (r *Runner) WaitForVersion(ctx context.Context, name string, version int) error {
	f := r.feed(name)
	if f == nil {
		return fmt.Errorf("%w: %q is not among those that NewRunner was given", ErrUnknown, name)
	}
	for wait := firstLook; ; wait = min(2*wait, r.opts.Poll) {
		_, _, changed := f.board.reached(0)
		s, err := r.look(ctx, f)
		switch {
		case err != nil:
			err = r.lasting(err)
		case s.Version >= version:
			return nil
		case s.Rebuild == nil || s.Rebuild.Version != version:
			err = errNoRebuild
		}
		if err == nil {
			err = await(ctx, changed, wait)
		}
		if err != nil {
			return fmt.Errorf("projection: wait for version %d of %q, whose version %d is in use: %w", version, name, s.Version, err)
		}
	}
}
