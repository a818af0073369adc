package projection

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// worker runs one projection. Its loop is one goroutine's; others see what the gauge shows.
type worker struct {
	store      *eventstore.Store
	name       string
	opts       Options
	recipe     recipe
	log        *slog.Logger
	onProgress func(Progress)
	gauge      gauge

	cursor      cursor
	caution     caution
	catchUp     catchUp
	overtakenAt time.Time // when that was last worth a warning
}

// run follows the log until ctx ends, which is no error, or the projection can't go on. work is the context of what
// should be finished when ctx ends.
func (w *worker) run(ctx, work context.Context) error {
	defer w.settle(work)
	for ctx.Err() == nil {
		err := w.step(ctx, work)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			w.interrupted(work, err)
			return nil
		}
		if err := w.failed(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// begin forgets what an earlier Run has left.
func (w *worker) begin(owner string) {
	w.cursor = cursor{store: w.store, name: w.name, interval: w.opts.CheckpointInterval}
	w.caution, w.catchUp, w.overtakenAt = caution{}, catchUp{log: w.log}, time.Time{}
	w.gauge.began(owner)
}

// step handles one batch, or waits at the head for the next one.
func (w *worker) step(ctx, work context.Context) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	page, err := w.read(ctx)
	if err != nil {
		return err
	}
	if err := w.handle(work, page); err != nil {
		return err
	}
	w.advanced(page)
	if page.Next < page.Head {
		return nil
	}
	return w.wait(ctx)
}

func (w *worker) load(ctx context.Context) error {
	if w.cursor.loaded {
		return nil
	}
	err := w.cursor.load(ctx)
	if err == nil {
		w.catchUp.start(w.cursor.position)
	}
	return err
}

// read returns the next batch. It is read outside of the transaction, which is thus no longer than the handlers make it.
func (w *worker) read(ctx context.Context) (eventstore.Page, error) {
	after := w.cursor.position
	page, err := w.store.ReadAll(ctx, after, &eventstore.ReadOptions{Types: w.recipe.types,
		StreamTypes: w.opts.StreamTypes, Limit: w.caution.size(w.opts.BatchSize)})
	var damaged *eventstore.DecodeError
	if !errors.As(err, &damaged) {
		return page, err
	}
	if page.Next > after {
		return page, nil // what stands before it comes first
	}
	return page, undecodable(damaged)
}

func (w *worker) handle(ctx context.Context, page eventstore.Page) error {
	if len(page.Events) == 0 {
		return w.cursor.pass(ctx, page.Next)
	}
	err := w.cursor.commit(ctx, page.Next, func(ctx context.Context) error {
		return w.recipe.apply(ctx, page.Events)
	})
	if err == nil || errors.As(err, new(*failure)) || blameless(err) {
		return err
	}
	return &failure{suspects: page.Events, err: err} // the commit refused what a handler had written
}

// advanced takes note of a batch that was committed.
func (w *worker) advanced(page eventstore.Page) {
	if w.caution.waits > 0 {
		w.log.Info("projection goes on after a failure", "position", page.Next)
	}
	w.caution.passed(page.Next)
	state := StateLive
	if page.Next < page.Head {
		state = StateCatchingUp
	}
	w.gauge.advanced(state, page.Next, len(page.Events))
	if p, ok := w.catchUp.advanced(page); ok && w.onProgress != nil {
		p.Projection = w.name
		w.onProgress(p)
	}
}

// wait returns when there may be more, or when a checkpoint that lags behind is due: the next step then stores it.
func (w *worker) wait(ctx context.Context) error {
	if !w.cursor.lags() {
		return w.store.Wait(ctx, w.cursor.position)
	}
	due, cancel := context.WithTimeout(ctx, w.cursor.due())
	defer cancel()
	err := w.store.Wait(due, w.cursor.position)
	if due.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// settle stores a checkpoint that lags behind. If that fails, the next run passes by the same events again.
func (w *worker) settle(work context.Context) {
	if err := w.cursor.flush(work); err != nil {
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

// pause returns after d, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
