package projection

import (
	"context"
	"fmt"
)

// WaitFor returns nil once a projection has handled everything up to a position and committed it, in this runner: a
// writer that waits for Receipt.Position reads its own writes from the read model. It returns at once if that is so
// already, and waits for Run if that has not been called yet.
//
// Otherwise it returns the context's error, ErrUnknown if the runner has no projection of this name, or ErrStopped if
// the projection has stopped before it came to the position; if it gave up, the error is its *StoppedError as well.
func (r *Runner) WaitFor(ctx context.Context, name string, position int64) error {
	if w := r.worker(name); w != nil {
		return w.waitFor(ctx, position)
	}
	return fmt.Errorf("%w: %q is not among those that NewRunner was given", ErrUnknown, name)
}

func (w *worker) waitFor(ctx context.Context, position int64) error {
	for {
		s, changed := w.gauge.read()
		if s.Position >= position {
			return nil
		}
		err := s.stop
		if err == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return fmt.Errorf("projection: wait for %q, which is %s at position %d, to handle position %d: %w",
			w.name, s.State, s.Position, position, err)
	}
}
