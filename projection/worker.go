package projection

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
)

// feed is a projection as a runner has it: what its workers share.
type feed struct {
	store      *eventstore.Store
	name       string
	opts       Options
	most       int           // pages in a transaction
	lease      time.Duration // RunnerOptions.Lease
	recipe     recipe
	log        *slog.Logger
	onProgress func(Progress)
	board      board
}

// worker runs one partition of a projection, for as long as this runner owns it. Its loop is one goroutine's; others see
// what the gauge shows.
type worker struct {
	*feed
	part   part
	tenure *tenure // nil on a driver that knows no owners
	log    *slog.Logger
	gauge  gauge

	cursor      cursor
	ahead       ahead
	stride      stride
	caution     caution
	parked      parked
	errand      *errand // the parked stream that is being gone on with; nil if none is
	inbox       inbox
	terms       terms // as last read
	catchUp     catchUp
	overtakenAt time.Time // when that was last worth a warning
	told        time.Time // when others were last told of a failure
}

// newWorker returns a worker of a partition that owner has the lease of; t is nil on a driver that knows no owners.
func (f *feed) newWorker(p part, owner string, t *tenure) *worker {
	w := &worker{feed: f, part: p, tenure: t, log: f.log, gauge: gauge{&f.board, p.row()}}
	if p.layout.Partitions > 1 {
		w.log = f.log.With("partition", p.label())
	}
	w.cursor = cursor{store: f.store, interval: f.opts.CheckpointInterval, start: p.layout.Start, keep: unowned{f.store, f.name}}
	w.gauge.began(p.number, owner)
	w.catchUp.log = w.log
	w.stride = stride{most: f.most, pages: 1}
	if t != nil {
		t.news(func() []byte { return w.gauge.note().encode() })
		w.cursor.keep = t
		w.begin(t.current().Position)
	}
	return w
}

// run follows the log until ctx ends, which is no error, or the partition can't be gone on with. work is the context of
// what should be finished when ctx ends.
func (w *worker) run(ctx, work context.Context) error {
	defer w.settle(work)
	defer w.ahead.stop()
	for ctx.Err() == nil {
		err := w.step(ctx, work)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			w.interrupted(work, err)
			return nil
		}
		if err := w.failed(ctx, work, err); err != nil {
			return err
		}
	}
	return nil
}

// step handles one batch, or waits at the head for the next one.
func (w *worker) step(ctx, work context.Context) error {
	if err := w.ready(ctx); err != nil {
		return err
	}
	if w.terms = w.inbox.read(); w.terms.closed {
		return w.idle(ctx)
	}
	if more, err := w.attend(ctx, work); err != nil || more {
		return err
	}
	if w.terms.barrier > 0 && w.cursor.position >= w.terms.barrier {
		return w.stand(ctx, work)
	}
	page, err := w.read(ctx)
	if err != nil {
		return err
	}
	w.readAhead(ctx, page)
	if page, err = w.handle(work, page); err != nil {
		return err
	}
	w.advanced(page)
	if page.Next < page.Head {
		return nil
	}
	return w.wait(ctx, page)
}

// ready sees to it that the worker knows its checkpoint and what is parked.
func (w *worker) ready(ctx context.Context) error {
	if !w.cursor.loaded {
		saved, err := w.cursor.keep.load(ctx)
		if err != nil {
			return err
		}
		w.begin(saved)
	}
	return w.parked.load(ctx, w)
}

// forget has everything asked for anew that a commit may have changed whose outcome is unknown. The checkpoint comes first:
// that waits for a commit which is still under way.
func (w *worker) forget() {
	w.cursor.forget()
	w.parked.loaded = false
	w.errand = nil
}

func (w *worker) begin(saved int64) {
	w.cursor.stand(saved)
	w.catchUp.start(w.cursor.position)
}

// read returns the next batch. It is read outside of the transaction, which is thus no longer than the handlers make it.
func (w *worker) read(ctx context.Context) (eventstore.Page, error) {
	after := w.cursor.position
	wanted := w.caution.size(w.stride.size(w.opts.BatchSize))
	page, err := w.fetch(ctx, after, wanted)
	if err == nil && w.caution.limit == 0 {
		page = w.fill(page)
	}
	page, rest := cut(until(page, w.terms.barrier), wanted)
	if len(rest.Events) > 0 && err == nil && len(w.parked.streams) == 0 {
		w.ahead.giveBack(page.Next, rest)
	}
	var damaged *eventstore.DecodeError
	if !errors.As(err, &damaged) {
		return page, err
	}
	if page.Next > after {
		return page, nil // what stands before it comes first
	}
	return page, undecodable(damaged)
}

func (w *worker) fetch(ctx context.Context, after int64, wanted int) (eventstore.Page, error) {
	if len(w.parked.streams) == 0 {
		if page, ok := w.ahead.take(after, wanted); ok {
			return page, nil
		}
	}
	w.ahead.stop()
	return w.store.ReadAll(ctx, after, w.what(w.parked.except(w.part.takes())))
}

// readAhead begins with the pages after the one in hand, if they are to follow.
func (w *worker) readAhead(ctx context.Context, page eventstore.Page) {
	last := w.terms.barrier > 0 && page.Next >= w.terms.barrier
	if last || page.Next >= page.Head || len(w.parked.streams) > 0 {
		w.ahead.stop()
		return
	}
	what := w.what(w.part.takes())
	w.ahead.start(ctx, page.Next, func(ctx context.Context, after int64) iter.Seq2[eventstore.Page, error] {
		return w.store.Pages(ctx, after, what)
	})
}

// what says what to read of the log for a batch.
func (w *worker) what(only func(eventstore.StreamID, int64) bool) *eventstore.ReadOptions {
	return &eventstore.ReadOptions{Types: w.recipe.types, StreamTypes: w.opts.StreamTypes, Limit: w.reach(), Only: only}
}

// maxReach bounds what a partition reads at a time.
const maxReach = 5000

// reach returns how many events to read for a batch: of several partitions' events, one in so many is for this one.
func (w *worker) reach() int {
	n := w.opts.BatchSize
	return max(n, min(n*w.part.layout.Partitions, maxReach))
}

// until returns what stands in a page up to a position, 0 standing for all of it.
func until(page eventstore.Page, last int64) eventstore.Page {
	if last > 0 && page.Next > last {
		page.Next, page.Events = last, through(page.Events, last)
	}
	return page
}

// through returns the events up to a position.
func through(events []eventstore.Event, last int64) []eventstore.Event {
	for i := range events {
		if events[i].Position > last {
			return events[:i:i]
		}
	}
	return events
}

// cut returns the first n stored events of a page, and the others.
func cut(page eventstore.Page, n int) (first, rest eventstore.Page) {
	for i := range page.Events {
		if i > 0 && page.Events[i].Position == page.Events[i-1].Position {
			continue
		}
		if n--; n < 0 {
			rest = page
			page.Next, page.Events, rest.Events = page.Events[i-1].Position, page.Events[:i:i], page.Events[i:]
			break
		}
	}
	return page, rest
}

// handle handles a page, or as much of it as there is time for, and returns that.
func (w *worker) handle(ctx context.Context, page eventstore.Page) (eventstore.Page, error) {
	if len(page.Events) == 0 {
		return page, w.cursor.pass(ctx, page.Next)
	}
	t := newTurn(page.Events)
	err := w.cursor.advance(ctx, page.Next, func(ctx context.Context) (int64, error) {
		if err := w.apply(ctx, t); err != nil {
			return 0, err
		}
		page = leading(page, t.done)
		return page.Next, nil
	})
	w.stride.took(time.Since(t.began), err == nil && page.Next < page.Head)
	if w.recipe.batch && t.done > 0 {
		w.stride.called(t.took, w.lease/2, stored(t.events))
	}
	return page, w.blame(t, err)
}

// advanced takes note of a batch that was committed.
func (w *worker) advanced(page eventstore.Page) {
	if w.caution.waits > 0 {
		w.log.Info("projection goes on after a failure", "position", page.Next)
	}
	w.caution.passed(page.Next)
	p, report := w.catchUp.advanced(page)
	p.Projection, p.Partition, p.Version = w.name, w.part.number, w.part.layout.Version
	w.gauge.advanced(w.stateAt(page), page.Next, len(page.Events), p)
	if report && w.onProgress != nil {
		w.onProgress(p)
	}
}

func (w *worker) stateAt(page eventstore.Page) State {
	switch {
	case page.Next < page.Head:
		return StateCatchingUp
	case len(w.parked.streams) > 0:
		return StateParked
	default:
		return StateLive
	}
}

// wait returns when there may be more than in a page, when a checkpoint that lags behind is due, which the next step then
// stores, or when there is something new in the inbox.
func (w *worker) wait(ctx context.Context, page eventstore.Page) error {
	called, end := w.inbox.listen(ctx)
	defer end()
	if w.cursor.lags() {
		var cancel context.CancelFunc
		called, cancel = context.WithTimeout(called, w.cursor.due())
		defer cancel()
	}
	err := w.store.Wait(called, page)
	if called.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// stand stays where it is, at a barrier, with the checkpoint stored for others to see.
func (w *worker) stand(ctx, work context.Context) error {
	if err := w.cursor.flush(work); err != nil {
		return err
	}
	return w.idle(ctx)
}

// idle returns when there is something new in the inbox.
func (w *worker) idle(ctx context.Context) error {
	called, end := w.inbox.listen(ctx)
	defer end()
	<-called.Done()
	return ctx.Err()
}

// settle stores a checkpoint that lags behind. If that fails, the next run passes by the same events again.
func (w *worker) settle(work context.Context) {
	if err := w.cursor.flush(work); err != nil && !errors.Is(err, errLost) {
		w.log.Warn("projection ended without storing its checkpoint", "position", w.cursor.position, "error", err)
	}
}

// interrupted reports what the end of Run's context has cut short, if that is worth a line.
func (w *worker) interrupted(work context.Context, err error) {
	switch {
	case work.Err() != nil:
		w.log.Warn("projection gave up the batch in hand, the grace period is over", "position", w.cursor.position,
			"error", err)
	case errors.As(err, new(*failure)):
		w.logFailure(slog.LevelWarn, err, "projection ended with a batch that failed")
	}
}

// tell tells others about a failure, once an interval at most. The next one does if this does not come through.
func (w *worker) tell(ctx context.Context) {
	if now := time.Now(); w.tenure != nil && w.cursor.loaded && now.Sub(w.told) >= noteInterval {
		w.told = now
		w.tenure.news(nil)
		_ = w.cursor.save(ctx, w.cursor.saved)
	}
}

// tellStop tells others that the partition was given up, and why. If it does not come through, they try it too.
func (w *worker) tellStop(ctx context.Context, end outcome) {
	if w.tenure == nil || !w.cursor.loaded {
		return
	}
	n := w.gauge.note()
	n.Stop = &stopNote{ID: uuid.NewString(), Resumed: end.resumed, Tries: w.caution.tries}
	w.tenure.news(func() []byte { return n.encode() })
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := w.cursor.save(ctx, w.cursor.saved); err != nil {
		w.log.Debug("projection stopped, and could not tell other runners", "reason", end.err, "error", err)
	}
}

// pause returns after d, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
