package torture_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
)

func TestASlowSubscriberHoldsNobodyUpAndCostsLittleMemory(t *testing.T) {
	const n, size = 1000, 30_000
	each(t, 0, func(t *testing.T, s *eventstore.Store) {
		ctx, cancel := context.WithCancel(soon(t))
		defer cancel()
		fill(t, s, folder("first"), 1, 10)
		stopped, goOn, got := make(chan struct{}), make(chan struct{}), make(chan []int, 1)
		go func() {
			var list []int
			for e, err := range s.Subscribe(ctx, 0, nil) {
				if err != nil {
					break
				}
				if list = append(list, e.Payload.(sheet).n); len(list) == 1 {
					close(stopped)
					<-goOn
				}
				if len(list) == 1+n {
					break
				}
			}
			got <- list
		}()
		<-stopped
		before := heap()
		fill(t, s, folder("many"), n, size)
		if grown := heap() - before; !holdsData(t) {
			require.Less(t, grown, int64(n*size/2), "%d bytes were written behind the back of a slow subscriber", n*size)
		}
		close(goOn)
		list := <-got
		require.Len(t, list, 1+n)
		for i, number := range list[1:] {
			require.Equal(t, i, number)
		}
	})
}

func TestManySubscribersWait(t *testing.T) {
	waiting := 10_000
	if raceDetector {
		waiting = 2000
	}
	each(t, 0, func(t *testing.T, s *eventstore.Store) {
		fill(t, s, folder("first"), 1, 10)
		head, err := s.Head(t.Context())
		require.NoError(t, err)
		before, goroutines := heap(), runtime.NumGoroutine()
		ctx, cancel := context.WithCancelCause(soon(t))
		var all sync.WaitGroup
		var served, failed atomic.Int64
		for range waiting {
			all.Go(func() {
				for e, err := range s.Subscribe(ctx, head, nil) {
					switch {
					case err == nil && e.Payload.(sheet).n == 0:
						served.Add(1)
					case !errors.Is(err, context.Canceled):
						failed.Add(1)
					}
				}
			})
		}
		require.Eventually(t, func() bool { return runtime.NumGoroutine() >= goroutines+waiting }, patience, time.Millisecond)
		each := (heap() - before) / int64(waiting)
		began := time.Now()
		fill(t, s, folder("second"), 1, 10)
		require.Eventually(t, func() bool { return served.Load() == int64(waiting) }, patience, time.Millisecond)
		t.Logf("%d subscribers wait with %d bytes each, and have all been served after %v", waiting, each, time.Since(began))
		require.Less(t, each, int64(32<<10), "bytes for each waiting subscriber")
		cancel(errEnough)
		all.Wait()
		require.Zero(t, failed.Load(), "subscribers that were told something else than the end of their context")
	})
}
