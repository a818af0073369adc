package projection

import (
	"context"

	"github.com/tidemark-go/tidemark/eventstore"
)

// ahead is the page behind the one in hand, read while that one is handled.
//
// What stands in the log between two positions never changes. So a page that was read is right whenever the cursor
// stands where it begins, whatever has happened meanwhile, as long as what it leaves out is the same: nothing is read ahead,
// and nothing that was is used, while streams are parked. A page that could not be read is read again when its turn comes,
// where its error can be dealt with.
type ahead struct {
	after  int64
	page   eventstore.Page
	good   bool
	done   chan struct{} // nil if there is no page
	cancel context.CancelFunc
}

// start has the page after a position read.
func (a *ahead) start(ctx context.Context, after int64, read func(ctx context.Context, after int64) (eventstore.Page, error)) {
	a.stop()
	ctx, a.cancel = context.WithCancel(ctx)
	a.after, a.good, a.done = after, false, make(chan struct{})
	go func() {
		defer close(a.done)
		defer func() { _ = recover() }() // a panic of the user's code comes again when the page is read again
		page, err := read(ctx, after)
		a.page, a.good = page, err == nil
	}()
}

// take returns the page after a position, if it was read.
func (a *ahead) take(after int64) (page eventstore.Page, ok bool) {
	if a.done == nil || a.after != after {
		return page, false
	}
	<-a.done
	page, ok = a.page, a.good
	a.stop()
	return page, ok
}

// stop returns when nothing is being read any more.
func (a *ahead) stop() {
	if a.done != nil {
		a.cancel()
		<-a.done
		a.done, a.page = nil, eventstore.Page{}
	}
}
