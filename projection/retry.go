package projection

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// caution narrows the batches around an event that failed, and counts.
type caution struct {
	limit int   // stored events in the next batch; 0 for as many as usual
	until int64 // the position after which batches are as large as usual
	tries int   // of what stands first, since the last batch that went through
	waits int   // since the last batch that went through
}

func (c *caution) size(usual int) int {
	if c.limit > 0 {
		return min(c.limit, usual)
	}
	return usual
}

// passed takes note of a batch that went through.
func (c *caution) passed(position int64) {
	c.tries, c.waits = 0, 0
	if position >= c.until {
		c.limit = 0
	}
}

// narrow makes the next batch smaller than the one that failed, and reports whether it could. What stands before the
// suspects is committed first; of several suspects half are tried.
func (c *caution) narrow(f *failure) bool {
	suspects := stored(f.suspects)
	c.limit, c.until = 1, f.last()
	switch {
	case f.before > 0:
		c.limit = f.before
	case suspects > 1:
		c.limit = suspects / 2
	default:
		return false
	}
	return true
}

// failed returns nil when it is time to try again, or why there is nothing left to try. work is the context of what should
// be finished when ctx ends.
func (w *worker) failed(ctx, work context.Context, err error) error {
	var f *failure
	errors.As(err, &f)
	switch {
	case f != nil && w.caution.narrow(f):
		w.gauge.failed(err)
		w.logFailure(slog.LevelWarn, err, "projection failed, a smaller batch follows", "events", w.caution.limit)
		return nil
	case f == nil && errors.Is(err, errLost):
		return err
	case f == nil && errors.Is(err, eventstore.ErrCheckpointMoved):
		w.overtaken()
		return nil
	case f != nil || !eventstore.Retryable(err):
		w.caution.tries++
	}
	policy := w.policy(f)
	switch {
	case w.caution.tries >= policy.Tries && f != nil && policy.Then != Stop:
		if err = w.setAside(work, f, policy.Then); err == nil {
			return nil
		}
		if final(err) {
			f.err = errors.Join(f.err, err)
			return w.stopped(f, f)
		}
	case w.caution.tries >= policy.Tries, f == nil && final(err):
		return w.stopped(f, err)
	}
	w.caution.waits++
	wait := backoff(policy, w.caution.waits)
	w.gauge.failed(err)
	w.tell(ctx)
	w.logFailure(slog.LevelWarn, err, "projection failed, another try follows", "tries", w.caution.tries, "wait", wait)
	pause(ctx, wait)
	return nil
}

// policy returns what is to be done about a failure, or about an error that no event is to blame for.
func (w *worker) policy(f *failure) Policy {
	o := w.opts
	if f == nil {
		return Policy{Tries: o.Tries, MinBackoff: o.MinBackoff, MaxBackoff: o.MaxBackoff, Then: Stop}
	}
	if w.terms.rebuilding {
		o.Failures = *o.RebuildFailures
	}
	return o.policy(f.class)
}

// overtakenInterval is how often two runners of one projection, which meet at every batch, are worth a warning.
const overtakenInterval = time.Minute

// overtaken goes on from where the checkpoint is. Nothing was applied twice: what was handled in vain is rolled back.
func (w *worker) overtaken() {
	level := slog.LevelDebug
	if now := time.Now(); now.Sub(w.overtakenAt) >= overtakenInterval {
		w.overtakenAt, level = now, slog.LevelWarn
	}
	w.log.Log(context.Background(), level, "projection goes on from its checkpoint, which was moved by another runner "+
		"or by a commit whose answer was lost", "position", w.cursor.position)
	w.forget()
}

func (w *worker) stopped(f *failure, err error) error {
	stop := &StoppedError{Projection: w.name, Position: w.cursor.position, Tries: w.caution.tries, Err: err}
	if f != nil {
		stop.Event, stop.Err = &f.suspects[0], f.err
	}
	w.logFailure(slog.LevelError, err, "projection stopped", "tries", stop.Tries)
	return stop
}

// logFailure adds to a line which event failed, and where the handler panicked.
func (w *worker) logFailure(level slog.Level, err error, message string, args ...any) {
	var f *failure
	if errors.As(err, &f) {
		e := &f.suspects[0]
		err = f.err // without the event, which has attributes of its own
		args = append(args, slog.Group("event", "type", e.Type, "stream", e.Stream.String(), "version", e.Version,
			"position", e.Position))
	}
	args = append(args, stack(err)...)
	w.log.Log(context.Background(), level, message, append(args, "error", err)...)
}

// blameless reports whether an error of a batch's commit has nothing to do with what the handlers have written.
func blameless(err error) bool {
	return eventstore.Retryable(err) || errors.Is(err, eventstore.ErrCheckpointMoved) || errors.Is(err, errLost) || final(err)
}

// final reports whether an error will be the same at every try, if it is not a handler's.
func final(err error) bool {
	return errors.Is(err, eventstore.ErrClosed) || errors.Is(err, eventstore.ErrNotSupported)
}

// backoff returns the wait after the nth failure in a row: doubled each time, with the upper half left to chance, so that
// runners that failed together don't come back together.
func backoff(o Policy, n int) time.Duration {
	d := o.MinBackoff
	for range n - 1 {
		if d = min(2*d, o.MaxBackoff); d == o.MaxBackoff {
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}
