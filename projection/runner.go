package projection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Runner feeds projections from a store. It is safe for concurrent use.
type Runner struct {
	store   *eventstore.Store
	workers []*worker
	opts    RunnerOptions
	owner   string
	running atomic.Bool
}

// RunnerOptions adjusts a Runner. The zero value works.
type RunnerOptions struct {
	// Logger hears of failures, of what the runner does about them, and of a catch-up that takes long. Default:
	// slog.Default().
	Logger *slog.Logger
	// OnProgress, if set, is called after each batch of a projection that catches up, the one with which it comes to the
	// head included. Several projections call it at a time, and each waits until it returns.
	OnProgress func(Progress)
	// Grace is how long the batches in hand may take when Run has been asked to end. After that their handlers' context
	// is cancelled, and they are rolled back. Negative is no time at all. Default: 10 seconds.
	Grace time.Duration
}

// NewRunner returns a runner of these projections. It starts nothing. Mistakes in the projections are returned here,
// all of them, each with the projection's name.
func NewRunner(store *eventstore.Store, opts *RunnerOptions, projections ...*Projection) (*Runner, error) {
	if store == nil {
		return nil, errors.New("projection: NewRunner needs a store")
	}
	if len(projections) == 0 {
		return nil, errors.New("projection: NewRunner needs a projection")
	}
	r := &Runner{store: store, owner: newOwner()}
	if opts != nil {
		r.opts = *opts
	}
	r.opts.Logger = cmp.Or(r.opts.Logger, slog.Default())
	r.opts.Grace = cmp.Or(r.opts.Grace, 10*time.Second)
	var errs []error
	for i, p := range projections {
		for _, mistake := range r.add(p) {
			errs = append(errs, fmt.Errorf("projection: %s: %w", p.label(i), mistake))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return r, nil
}

// add makes the worker of a projection and returns the mistakes in it.
func (r *Runner) add(p *Projection) []error {
	if p == nil {
		return []error{errors.New("it is nil")}
	}
	if r.worker(p.name) != nil {
		return []error{errors.New("the name is taken by another one of this runner, and they would share a checkpoint")}
	}
	w := &worker{store: r.store, name: p.name, opts: p.opts.withDefaults(), onProgress: r.opts.OnProgress,
		log: r.opts.Logger.With("projection", p.name)}
	w.gauge.init(p.name)
	r.workers = append(r.workers, w)
	var mistakes []error
	w.recipe, mistakes = p.recipe(r.store)
	for _, err := range []error{checkName(p.name), w.opts.check()} {
		if err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return mistakes
}

// worker returns the worker of a projection, nil if there is none.
func (r *Runner) worker(name string) *worker {
	for _, w := range r.workers {
		if w.name == name {
			return w
		}
	}
	return nil
}

// newOwner returns a name for a runner that tells people where it runs, and that no other runner has.
func newOwner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d:%08x", host, os.Getpid(), rand.Uint32())
}

// Run runs all projections until ctx ends, and returns nil then; calling it again goes on. When it returns, no goroutine
// of it is left.
//
// When ctx ends, the batches in hand are finished within RunnerOptions.Grace: their handlers' context is not cancelled
// before. A handler that does not heed its context then keeps Run from returning.
//
// A projection that gives up (Options.Tries) stops while the others go on. When all have stopped, or ctx ends, Run
// returns their *StoppedErrors, joined.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.begin(); err != nil {
		return err
	}
	return r.run(ctx)
}

// CatchUp runs all projections until each has handled everything that the log held when CatchUp was called, and returns
// nil then: for programs that come to an end, and for tests. It returns the joined *StoppedErrors of projections that
// gave up, and the context's error if it ended before. What is left running and what may be called afterwards is as in
// Run.
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
	for _, w := range r.workers {
		errs = append(errs, w.waitFor(ctx, head))
	}
	cancel()
	wg.Wait()
	return errors.Join(errs...)
}

func (r *Runner) begin() error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("projection: Run was called while the runner is running: one call runs all of its projections")
	}
	for _, w := range r.workers {
		w.begin(r.owner)
	}
	return nil
}

func (r *Runner) run(ctx context.Context) error {
	defer r.running.Store(false)
	work, release := graceful(ctx, r.opts.Grace)
	defer release()
	defer r.store.Listen()()
	errs := make([]error, len(r.workers))
	var wg sync.WaitGroup
	for i, w := range r.workers {
		wg.Go(func() {
			errs[i] = errExited // unless the loop returns
			defer func() { w.gauge.ended(errs[i]) }()
			errs[i] = w.run(ctx, work)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
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
