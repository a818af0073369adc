package postgres

import (
	"context"
	"fmt"
	"time"
)

// cancelPatience is how long the server may take to act upon a cancellation.
const cancelPatience = time.Second

// returning runs f, which makes calls with ctx, and returns when ctx ends even if they don't: lib/pq asks the server to
// cancel and then waits for it, without end if the network is gone, or if the request came before the statement that it
// is about. f then runs on in its goroutine until the server answers or the connection is found to be dead, and gives
// its connection back; what it returns is dropped.
func returning[T any](ctx context.Context, f func() (T, error)) (T, error) {
	if ctx.Done() == nil {
		return f()
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	late := time.NewTimer(cancelPatience + cancelPatience/2) // a line has given up by then
	defer late.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-late.C:
		var none T
		return none, fmt.Errorf("the server does not answer: %w", ctx.Err())
	}
}

// outlasting returns a context that ends cancelPatience after ctx does.
func outlasting(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(cancelPatience, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
