package eventstore_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// disk takes its time for each commit and each batch, and writes down what flew together.
type disk struct {
	*memory.Store
	takes time.Duration // changed while nobody commits

	mu      sync.Mutex
	flights []int // commits in each
}

func (d *disk) Batching() driver.Batching {
	return driver.Batching{Direct: 1, Lanes: 2, MaxCommits: 100, MaxEvents: 100, DirectIfSlow: 8, Slow: 2 * time.Millisecond}
}

func (d *disk) sync(n int) {
	d.mu.Lock()
	d.flights = append(d.flights, n)
	d.mu.Unlock()
	time.Sleep(d.takes)
}

func (d *disk) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	d.sync(1)
	return d.Store.Commit(ctx, writes)
}

func (d *disk) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	d.sync(len(commits))
	return d.Store.CommitBatch(ctx, commits)
}

// crowd has n callers append at once, and returns how many commits were in each flight, the largest last.
func (d *disk) crowd(t *testing.T, s *eventstore.Store, n int) []int {
	t.Helper()
	d.flights = nil
	callers := make([]*caller, n)
	for i := range callers {
		callers[i] = call(t.Context(), s, account(i), eventstore.Any, eventstore.Events(deposited{1})...)
	}
	for _, c := range callers {
		<-c.done
		require.NoError(t, c.err)
	}
	slices.Sort(d.flights)
	return d.flights
}

func TestCommitsThatWaitForASlowDiskGoSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{Store: memory.New()}
		s := open(t, d, accounts(), nil)
		settle := func(takes time.Duration, expected eventstore.ExpectedVersion) {
			d.takes = takes
			for range 64 {
				_, err := s.Append(t.Context(), account(0), expected, eventstore.Events(deposited{1})...)
				require.Equal(t, expected == eventstore.Any, err == nil)
			}
		}
		batched := []int{1, 1, 6} // the others wait until one of the two lands

		settle(time.Millisecond, eventstore.Any)
		require.Equal(t, batched, d.crowd(t, s, 8), "a quick disk")
		settle(3*time.Millisecond, eventstore.Any)
		require.Equal(t, []int{1, 1, 1, 1, 1, 1, 1, 1}, d.crowd(t, s, 8), "a slow disk")
		require.Len(t, d.crowd(t, s, 20), 9, "more than it takes side by side: the others go together")
		settle(time.Millisecond, eventstore.NoStream)
		require.Len(t, d.crowd(t, s, 8), 8, "conflicts are quick on any disk")
		settle(time.Millisecond, eventstore.Any)
		require.Equal(t, batched, d.crowd(t, s, 8), "a quick disk again")
	})
}
