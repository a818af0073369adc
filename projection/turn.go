package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// turn is how far the handlers have come with a batch.
//
// It ends after half a lease with what they have done by then. A database may end a transaction of whose process it hears
// nothing for the time of the lease, since it may be dead, and then everything would be done again, at every try; and where
// there is one writer, the others wait for it.
type turn struct {
	events []eventstore.Event
	began  time.Time
	done   int           // how many of the events have been handled
	call   int           // where the events begin that the last call of a handler was for
	took   time.Duration // that call
}

func newTurn(events []eventstore.Event) *turn { return &turn{events: events, began: time.Now()} }

// apply hands events to the handlers until there are none left or the time is up.
func (w *worker) apply(ctx context.Context, t *turn) error {
	version, silent := w.part.layout.Version, w.terms.silent
	aloud, quietly := deliver(ctx, version, false), deliver(ctx, version, true)
	for now := t.began; t.done < len(t.events) && (t.done == 0 || now.Sub(t.began) < w.lease/2); {
		ctx, events := aloud, w.recipe.call(t.events[t.done:])
		if events[0].Position <= silent {
			ctx, events = quietly, through(events, silent)
		}
		began := now // the clock is read once for each call: most take less time than a look at it twice
		err := w.recipe.apply(ctx, events)
		now = time.Now()
		t.call, t.took = t.done, now.Sub(began)
		if err != nil {
			return w.fault(t, err)
		}
		t.done += len(events)
	}
	return nil
}

// fault says of a handler's error where in the batch it happened.
func (w *worker) fault(t *turn, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	f.before += stored(t.events[:t.call])
	if w.late(t) {
		f.err = w.tooLate(t, f.err)
	}
	return f
}

// blame returns an error of a batch's commit as a *failure, if it has to do with what the handlers did.
func (w *worker) blame(t *turn, err error) error {
	switch {
	case err == nil || errors.As(err, new(*failure)) || t.done == 0:
		return err
	case eventstore.Retryable(err) && w.late(t):
		return &failure{suspects: t.events[t.call:t.done], before: stored(t.events[:t.call]), err: w.tooLate(t, err)}
	case blameless(err):
		return err
	default:
		return &failure{suspects: t.events[:t.done], err: err} // the commit refused what a handler had written
	}
}

// late reports whether a database may have ended the transaction by now. That is due to the last call: before it there was
// half a lease left.
func (w *worker) late(t *turn) bool {
	return w.store.Transactional() && time.Since(t.began) >= w.lease
}

func (w *worker) tooLate(t *turn, err error) error {
	return fmt.Errorf("a handler took %v, and a database may end the transaction of a process that it does not hear of for %v, "+
		"the option Lease: do less at a time or have a longer lease: %w", t.took.Round(time.Millisecond), w.lease, err)
}

// leading returns the first n events of a page.
func leading(page eventstore.Page, n int) eventstore.Page {
	if n < len(page.Events) {
		page.Next, page.Events = page.Events[n-1].Position, page.Events[:n:n]
	}
	return page
}
