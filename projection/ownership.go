package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// ownership is one Run: it decides again and again which partitions this runner works on, and has a worker for each. It
// is one goroutine's; workers tell it of their end.
type ownership struct {
	*Runner
	wg        sync.WaitGroup
	over      chan outcome
	held      map[string]*holding
	stops     map[string]stop   // what was given up here, by row
	elsewhere map[string]stop   // what the last look found given up by other runners
	begun     map[string]bool   // the projections whose options have been put forward
	old       map[string]string // the notes of giving up that were there before this Run, which may try again
	denied    map[string]string // the last owner that was found in the way, by row
	present   *tenure           // of the row of presence; nil if there is none
	shown     map[string]string // the documents that the boards show, by projection
	waits     map[string]error  // why there is no switch to a version yet, by projection
	solo      bool              // the driver knows no owners, and the workers have been started
	tries     int               // polls that failed in a row
	expires   time.Time         // the next lease of another runner, of what this one waits for
	fatal     error
}

// holding is a partition that this runner owns and works on.
type holding struct {
	part   part
	feed   *feed
	worker *worker
	tenure *tenure
	end    context.CancelFunc // after the batch in hand
	drop   context.CancelFunc // at once
	lost   error              // the lease is somebody else's
}

// stop is why a partition was given up.
type stop struct {
	feed    *feed
	err     error
	resumed int // control.Resumed at that time
}

// outcome is how a worker has ended.
type outcome struct {
	row     string
	err     error
	resumed int // control.Resumed before anybody could know of the end: who calls Resume because of it counts anew
}

func newOwnership(r *Runner) *ownership {
	return &ownership{Runner: r, over: make(chan outcome), held: map[string]*holding{}, stops: map[string]stop{},
		begun: map[string]bool{}, denied: map[string]string{}, shown: map[string]string{}, waits: map[string]error{}}
}

// run works until ctx ends or there is nothing left to work on. work is the context of what should be finished when ctx
// ends.
func (o *ownership) run(ctx, work context.Context) error {
	for ctx.Err() == nil {
		o.expires = time.Time{}
		done, err := o.poll(ctx, work)
		if done { // no clean end, whoever it was that gave up
			maps.Copy(o.stops, o.elsewhere)
		}
		if o.failed(ctx, err); done || o.fatal != nil {
			break
		}
		o.rest(ctx, work)
	}
	o.leave(work)
	return o.result()
}

// poll looks at the rows and does what follows from them. It reports whether all partitions have been given up.
func (o *ownership) poll(ctx, work context.Context) (done bool, err error) {
	rs, err := o.roster(ctx)
	if errors.Is(err, eventstore.ErrNotSupported) {
		return o.alone(ctx, work), nil
	}
	if err != nil {
		return false, err
	}
	if rs, err = o.introduce(ctx, rs); err != nil {
		return false, err
	}
	plan, err := o.plan(rs)
	if err != nil {
		return false, err
	}
	if err := o.appear(work, plan); err != nil {
		return false, err
	}
	o.giveUp(plan)
	if err := o.take(ctx, work, plan); err != nil {
		return false, err
	}
	if o.move(ctx, plan) {
		o.nudge()
	}
	return plan.stopped && len(o.held) == 0, o.renew(work)
}

// maxPolls is how many polls in a row may fail with an error that is no outage, until Run gives up. As long as there are
// workers, it is for them to find out what is wrong.
const maxPolls = 10

// failed takes note of how a poll went.
func (o *ownership) failed(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		o.tries = 0
		return
	}
	if !eventstore.Retryable(err) && len(o.held) == 0 {
		o.tries++
	}
	if final(err) || o.tries >= maxPolls {
		o.fatal = err
		return
	}
	o.opts.Logger.Warn("projections: can't look after their owners, another try follows", "error", err)
	for _, f := range o.feeds {
		f.board.failed(f.name, err)
	}
}

// rest returns when it is time to look again: after the poll interval, when a lease of somebody else ends, when a worker
// has ended or another goroutine asks for it.
func (o *ownership) rest(ctx, work context.Context) {
	wait := o.opts.Poll
	if !o.expires.IsZero() {
		wait = min(wait, max(o.expires.Sub(o.store.Now()), time.Millisecond))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-o.nudged:
	case end := <-o.over:
		o.ended(end)
	}
	for drained := false; !drained; { // one look serves all that have ended by now
		select {
		case end := <-o.over:
			o.ended(end)
		default:
			drained = true
		}
	}
}

// leave ends the workers, and keeps their leases until they have.
func (o *ownership) leave(work context.Context) {
	for _, h := range o.held {
		h.end()
	}
	timer := time.NewTicker(o.opts.Poll)
	defer timer.Stop()
	for len(o.held) > 0 {
		select {
		case end := <-o.over:
			o.ended(end)
		case <-timer.C:
			_ = o.renew(work) // it is for the next owner to find out
		}
	}
	o.wg.Wait()
	if o.present != nil {
		o.release(work, o.present)
	}
}

// result returns why the projections were given up, in their order.
func (o *ownership) result() error {
	var errs []error
	for _, f := range o.feeds {
		for _, row := range slices.Sorted(maps.Keys(o.stops)) {
			if o.stops[row].feed == f {
				errs = append(errs, o.stops[row].err)
			}
		}
	}
	return errors.Join(append(errs, o.fatal)...)
}

// start has a worker work on a partition.
func (o *ownership) start(ctx, work context.Context, h *holding) {
	ctx, h.end = context.WithCancel(ctx)
	work, h.drop = context.WithCancel(work)
	row := h.part.row()
	o.held[row] = h
	w := h.feed.newWorker(h.part, o.owner, h.tenure)
	h.worker = w
	w.inbox.deliver(h.feed.board.terms(h.part.layout))
	o.wg.Go(func() {
		err := errExited // unless the loop returns
		defer func() { o.over <- o.dismiss(work, w, err) }()
		err = w.run(ctx, work)
	})
}

// alone has a worker for each projection, on a driver that knows no owners. It reports whether all have ended.
func (o *ownership) alone(ctx, work context.Context) (done bool) {
	for _, f := range o.feeds {
		if o.solo {
			break
		}
		doc := newControl()
		f.board.saw(f.name, doc)
		if f.opts.Partitions > 1 || !f.opts.From.beginning() {
			o.fatal = fmt.Errorf("projection: %q: the options Partitions and From need a driver that knows owners (Leaser): %w",
				f.name, eventstore.ErrNotSupported)
			return true
		}
		o.start(ctx, work, &holding{feed: f, part: doc.Live.parts(f.name)[0]})
	}
	o.solo = true
	return len(o.held) == 0
}

// dismiss lets go of a worker's partition.
func (o *ownership) dismiss(work context.Context, w *worker, err error) outcome {
	end := outcome{row: w.part.row(), err: err, resumed: w.board.resumed()}
	if err != nil && !errors.Is(err, errLost) {
		w.gauge.stopped(err, end.resumed)
		w.tellStop(work, end)
	}
	if w.tenure != nil {
		o.release(work, w.tenure)
	}
	w.gauge.left()
	return end
}

// farewell is how long the database may take to note that a lease is free, after the grace period too.
const farewell = 5 * time.Second

func (o *ownership) release(ctx context.Context, t *tenure) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := t.release(ctx); err != nil {
		o.opts.Logger.Log(ctx, slog.LevelDebug, "projections: a lease could not be released, and runs out", "row", t.current().Name,
			"error", err)
	}
}

// ended takes note of the end of a worker.
func (o *ownership) ended(end outcome) {
	h := o.held[end.row]
	delete(o.held, end.row)
	h.end()
	h.drop()
	lost := h.lost
	if errors.Is(end.err, errLost) {
		lost = end.err
	}
	switch {
	case lost != nil:
		h.feed.board.count(func(t *Tenures) { t.Lost++ })
		h.feed.log.Warn("projection lost its lease to another runner", "partition", h.part.label(), "error", lost)
	case end.err != nil:
		o.stops[end.row] = stop{h.feed, end.err, end.resumed}
	}
}
