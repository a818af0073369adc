package projection

import (
	"context"
	"iter"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// ahead has the pages behind the one in hand read while that one is handled: one that waits to be taken, and one that is
// being fetched.
//
// What stands in the log between two positions never changes. So a page that was read is right whenever the cursor
// stands where it begins, whatever has happened meanwhile, as long as what it leaves out is the same: nothing is read ahead,
// and nothing that was is used, while streams are parked. A page that could not be read is read again when its turn comes,
// where its error can be dealt with.
type ahead struct {
	after  int64                // where the next page begins
	pages  chan eventstore.Page // nil if nothing is read ahead
	quit   chan struct{}
	cancel context.CancelFunc

	rest      *eventstore.Page // of a page that was taken, if it was given back
	restAfter int64
}

// start has what follows a position read, unless that is under way.
func (a *ahead) start(ctx context.Context, after int64, read func(ctx context.Context, after int64) iter.Seq2[eventstore.Page, error]) {
	if a.rest != nil && a.restAfter == after {
		after = a.rest.Next
	}
	if a.pages != nil && a.after == after {
		return
	}
	a.halt()
	ctx, a.cancel = context.WithCancel(ctx)
	pages, quit := make(chan eventstore.Page), make(chan struct{})
	a.after, a.pages, a.quit = after, pages, quit
	go func() {
		defer close(pages)
		defer func() { _ = recover() }() // a panic of the user's code comes again when the page is read again
		for page, err := range read(ctx, after) {
			if err != nil {
				return
			}
			select {
			case pages <- page:
			case <-quit:
				return
			}
		}
	}()
}

// take returns the page after a position, if it was read. With fewer events than wanted that were given back comes the
// page behind them, lest they make a batch of their own.
func (a *ahead) take(after int64, wanted int) (page eventstore.Page, ok bool) {
	if a.rest != nil && a.restAfter == after {
		page, a.rest = *a.rest, nil
		if len(page.Events) < wanted {
			if next, ok := a.take(page.Next, 0); ok {
				page = join(page, next)
			}
		}
		return page, true
	}
	if a.pages == nil || a.after != after {
		return page, false
	}
	if page, ok = <-a.pages; ok {
		a.after = page.Next
	}
	return page, ok
}

func join(page, next eventstore.Page) eventstore.Page {
	next.Events = append(page.Events, next.Events...)
	return next
}

// giveBack has what follows a position taken again.
func (a *ahead) giveBack(after int64, rest eventstore.Page) { a.rest, a.restAfter = &rest, after }

// patience is how long a page that is being fetched is waited for when nobody wants it any more. Few take longer;
// cancelling costs a connection on some databases.
const patience = 50 * time.Millisecond

// stop returns when nothing is being read any more.
func (a *ahead) stop() {
	a.rest = nil
	a.halt()
}

// halt ends the reading, and keeps what was given back.
func (a *ahead) halt() {
	if a.pages == nil {
		return
	}
	close(a.quit)
	timer := time.AfterFunc(patience, a.cancel)
	for range a.pages {
		continue // until the reader has left
	}
	timer.Stop()
	a.cancel()
	a.pages = nil
}
