package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// WaitFor returns nil once a projection has handled everything up to a position and committed it, whichever process does
// that: a writer that waits for Receipt.Position reads its own writes from the read model. It returns at once if that is
// so already, and waits for somebody to run the projection if nobody does yet. What is run elsewhere it asks the database
// for, at growing intervals of up to RunnerOptions.Poll; what this runner runs wakes it.
//
// Otherwise it returns the context's error, ErrUnknown if the runner has no projection of this name, or ErrStopped if
// the projection has stopped before it came to the position, here with nobody else who runs it, or elsewhere with nobody
// who begins to run it again within about RunnerOptions.Poll; if it gave up here, the error is its *StoppedError as well.
func (r *Runner) WaitFor(ctx context.Context, name string, position int64) error {
	f := r.feed(name)
	if f == nil {
		return fmt.Errorf("%w: %q is not among those that NewRunner was given", ErrUnknown, name)
	}
	return r.waitFor(ctx, f, position, (*sight).stopBefore)
}

// firstLook is the wait between the first two looks at what another process does. It doubles from then on.
const firstLook = 4 * time.Millisecond

// waitFor waits for a position; hopeless says why it is no use to.
func (r *Runner) waitFor(ctx context.Context, f *feed, position int64, hopeless func(*sight, int64) error) error {
	for wait := firstLook; ; wait = min(2*wait, r.opts.Poll) {
		yes, local, changed := f.board.reached(position)
		if yes {
			return nil
		}
		if local {
			if err := await(ctx, changed, 0); err != nil {
				return f.sight(roster{}).waited(position, err)
			}
			continue
		}
		s, err := r.look(ctx, f)
		switch {
		case err != nil: // somebody else may run it
			err = r.lasting(err)
		case s.reached(position):
			return nil
		default:
			err = hopeless(s, position)
			if errors.Is(err, errElsewhere) && wait < r.opts.Poll { // Run may be about to begin, and tries it again
				err = nil
			}
		}
		if err == nil {
			err = await(ctx, changed, wait)
		}
		if err != nil {
			return s.waited(position, err)
		}
	}
}

func (s *sight) waited(position int64, err error) error {
	return fmt.Errorf("projection: wait for %q, which is %s at position %d, to handle position %d: %w",
		s.Projection, s.State, s.Position, position, err)
}

// lasting returns an error of looking, unless it may pass: as an outage does, and everything that Run tries again, while it
// runs, but for the end of the store and a driver without checkpoints.
func (r *Runner) lasting(err error) error {
	if eventstore.Retryable(err) || r.running.Load() && !final(err) {
		return nil
	}
	return err
}

// await returns nil after a change or, if it is not 0, after d.
func await(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-changed:
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
