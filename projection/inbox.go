package projection

import (
	"context"
	"sync"
)

// inbox is where a worker finds what others want of it. It is safe for concurrent use.
type inbox struct {
	mu     sync.Mutex
	asked  []request
	called context.CancelFunc // wakes the worker that waits; nil if it does not
}

// deliver replaces the requests, and wakes the worker.
func (b *inbox) deliver(requests []request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = requests
	if b.called != nil {
		b.called()
	}
}

func (b *inbox) requests() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// listen returns a context that ends with ctx or at the next delivery. end is to be called when nobody listens any more.
func (b *inbox) listen(ctx context.Context) (called context.Context, end func()) {
	called, cancel := context.WithCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called = cancel
	return called, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.called = nil
		cancel()
	}
}
