package eventstore

import (
	"context"
	"time"
)

// pages is a read that goes on page by page.
type pages[P any] interface {
	// next returns a page, and whether more may follow. After an error the same page is read again.
	next(ctx context.Context) (page P, more bool, err error)
}

// ahead reads the pages of an iteration, and each but the first while the one before it is decoded and handed out.
//
// The loop must not notice. What is read ahead holds nothing while it waits for its turn. If reading ahead fails, nobody
// hears of it: the page is read again when its turn comes, so that errors come in order, and only what the loop would
// have met without reading ahead.
type ahead[P any] struct {
	pages[P]
	done   chan struct{} // closed when what follows is there; nil while nothing is read
	cancel context.CancelFunc
	page   P
	more   bool
	ok     bool
}

// next returns the page that was read ahead, or reads one.
func (a *ahead[P]) next(ctx context.Context) (page P, more bool, err error) {
	if a.done != nil {
		<-a.done
		a.cancel()
		a.done = nil
		if a.ok {
			return a.page, a.more, nil
		}
	}
	return a.pages.next(ctx)
}

// start begins to read the page that follows.
func (a *ahead[P]) start(ctx context.Context) {
	ctx, a.cancel = context.WithCancel(ctx)
	a.done, a.ok = make(chan struct{}), false
	go a.read(ctx)
}

func (a *ahead[P]) read(ctx context.Context) {
	defer close(a.done)
	defer func() { _ = recover() }() // a driver that panics does it again when the page's turn comes
	page, more, err := a.pages.next(ctx)
	a.page, a.more, a.ok = page, more, err == nil
}

// patience is how long a loop that was left waits for a page that is being read. Few pages take longer; cancelling costs
// a connection on some databases.
const patience = 50 * time.Millisecond

// stop waits until nothing is read any longer. The page may not come as long as its reader waits for a connection that
// belongs to whoever has left the loop.
func (a *ahead[P]) stop() {
	if a.done == nil {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-a.done:
	case <-timer.C:
	}
	a.cancel()
	<-a.done
	a.done = nil
}
