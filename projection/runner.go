package projection

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Runner feeds projections from a store. It is safe for concurrent use.
type Runner struct {
	store   *eventstore.Store
	feeds   []*feed
	opts    RunnerOptions
	owner   string
	steward string        // the owner of what the runner needs for a moment, to change a document or a layout
	nudged  chan struct{} // asks Run to look at the rows now
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
	// Lease is how long a partition stays with a runner that shows no sign of life. A sign is a batch, and at the latest a
	// third of Lease. A batch ends after half of it, with the events that have been handled by then; a single call of a
	// handler should not take longer than all of it. Default: 15 seconds.
	Lease time.Duration
	// Poll is how often the runner looks whether something has changed that it was not told of: partitions that became
	// free, other runners, what Pause and its like have asked for elsewhere. Default: 1 second.
	Poll time.Duration
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
	r := &Runner{store: store, owner: newOwner(), nudged: make(chan struct{}, 1)}
	r.steward = r.owner + stewardSuffix
	if opts != nil {
		r.opts = *opts
	}
	r.opts = r.opts.withDefaults()
	errs := r.opts.check()
	for i, p := range projections {
		for _, mistake := range r.add(p) {
			errs = append(errs, fmt.Errorf("projection: %s: %w", p.label(i, "NewRunner"), mistake))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return r, nil
}

func (o RunnerOptions) withDefaults() RunnerOptions {
	o.Logger = cmp.Or(o.Logger, slog.Default())
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	o.Lease = cmp.Or(o.Lease, 15*time.Second)
	o.Poll = cmp.Or(o.Poll, time.Second)
	return o
}

// check is called on options that have their defaults.
func (o RunnerOptions) check() mistakes {
	var m mistakes
	m.add(o.Poll < time.Millisecond, "projection: the option Poll is %v, less than a millisecond", o.Poll)
	m.add(o.Lease < 3*o.Poll, "projection: the option Lease is %v, less than three times Poll, %v: leases would run out before they "+
		"are renewed", o.Lease, o.Poll)
	return m
}

// mistakes are those of one who sets something up, who is to learn of all of them at once.
type mistakes []error

func (m *mistakes) add(is bool, format string, args ...any) {
	if is {
		*m = append(*m, fmt.Errorf(format, args...))
	}
}

// add takes a projection in and returns the mistakes in it.
func (r *Runner) add(p *Projection) (m mistakes) {
	if p == nil {
		return mistakes{errors.New("it is nil")}
	}
	m.add(p.name != "" && r.feed(p.name) != nil, "the name is taken by another one of this runner, and they would share a "+
		"checkpoint")
	f := &feed{store: r.store, name: p.name, opts: p.opts.withDefaults(), lease: r.opts.Lease, onProgress: r.opts.OnProgress,
		log: r.opts.Logger.With("projection", p.name)}
	f.board.init()
	r.feeds = append(r.feeds, f)
	var errs []error
	f.recipe, errs = p.recipe(r.store)
	f.most = f.mostPages(p)
	m = append(m, errs...)
	if err := checkName(p.name); err != nil {
		m = append(m, err)
	}
	return append(m, f.opts.check()...)
}

// feed returns the projection of a name, nil if there is none.
func (r *Runner) feed(name string) *feed {
	for _, f := range r.feeds {
		if f.name == name {
			return f
		}
	}
	return nil
}

// nudge has Run look at the rows now.
func (r *Runner) nudge() {
	select {
	case r.nudged <- struct{}{}:
	default: // it will already
	}
}

// stewardSuffix tells the owner who changes what is decided about a projection from the one who works on it. Both are the
// same runner; who owns a lease already gets it again, and must not get it for the other purpose.
const stewardSuffix = "/steward"

func isSteward(owner string) bool { return strings.HasSuffix(owner, stewardSuffix) }

// newOwner returns a name for a runner that tells people where it runs, and that no other runner has.
func newOwner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%.100s:%d:%08x", host, os.Getpid(), rand.Uint32())
}
