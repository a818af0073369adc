package projection

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Run runs all projections until ctx ends, and returns nil then; calling it again goes on. When it returns, no goroutine
// of it is left.
//
// When ctx ends, the batches in hand are finished within RunnerOptions.Grace: their handlers' context is not cancelled
// before. A handler that does not heed its context then keeps Run from returning.
//
// A projection that gives up (Options.Tries) stops while the others go on. When all have stopped, or ctx ends, Run
// returns their *StoppedErrors, joined. If all have stopped and other runners gave some of them up, there is an error for
// each of these too, for which errors.Is(err, ErrStopped) holds.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.begin(); err != nil {
		return err
	}
	return r.run(ctx)
}

// CatchUp runs all projections until each has handled everything that the log held when CatchUp was called, and returns
// nil then: for programs that come to an end, and for tests. What another process owns, that process handles, and CatchUp
// waits until it has; if it was killed, that takes until its lease has run out. CatchUp returns the joined *StoppedErrors of
// projections that gave up, ErrPaused for those that are paused, and the context's error if it ended before. What is left
// running and what may be called afterwards is as in Run.
func (r *Runner) CatchUp(ctx context.Context) error {
	head, err := r.store.Head(ctx)
	if err == nil {
		err = r.begin()
	}
	if err != nil {
		return fmt.Errorf("projection: catch up: %w", err)
	}
	running, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.run(running) }) // its errors are what the waits return
	var errs []error
	for _, f := range r.feeds {
		errs = append(errs, r.waitFor(ctx, f, head, (*sight).idleBefore))
	}
	cancel()
	wg.Wait()
	return errors.Join(errs...)
}

func (r *Runner) begin() error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("projection: Run was called while the runner is running: one call runs all of its projections")
	}
	for _, f := range r.feeds {
		f.board.began()
	}
	return nil
}

func (r *Runner) run(ctx context.Context) error {
	defer r.running.Store(false)
	work, release := graceful(ctx, r.opts.Grace)
	defer release()
	defer r.store.Listen()()
	o := newOwnership(r)
	err := o.run(ctx, work)
	for _, f := range r.feeds {
		f.board.end(o.fatal)
	}
	return err
}

// errExited is what remains of a worker whose handler ended its goroutine, as testing.T.FailNow does.
var errExited = fmt.Errorf("%w: a handler called runtime.Goexit", ErrStopped)

// graceful returns a context for work that is to be finished when ctx ends: it has ctx's values and ends a grace period
// later, or when it is released.
func graceful(ctx context.Context, grace time.Duration) (work context.Context, release func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
			pause(work, grace)
			cancel()
		case <-work.Done():
		}
	})
	return work, func() {
		cancel()
		wg.Wait()
	}
}
