package projection

import (
	"context"
	"sync"
)

// inbox is where a worker finds what others want of it. It is safe for concurrent use.
type inbox struct {
	mu     sync.Mutex
	latest terms
	unread bool               // read has not been called since the last delivery
	called context.CancelFunc // wakes the worker that waits; nil if it does not
}

// deliver replaces what was delivered before, and wakes the worker.
func (b *inbox) deliver(t terms) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest, b.unread = t, true
	if b.called != nil {
		b.called()
	}
}

func (b *inbox) read() terms {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unread = false
	return b.latest
}

// listen returns a context that ends with ctx or as soon as there is a delivery that was not read. end is to be called
// when nobody listens any more.
func (b *inbox) listen(ctx context.Context) (called context.Context, end func()) {
	called, cancel := context.WithCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called = cancel
	if b.unread {
		cancel()
	}
	return called, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.called = nil
		cancel()
	}
}
