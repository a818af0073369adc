package projection_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
)

// names returns a projection that deposits are foreign to.
func names(calls *int) *projection.Projection {
	p := projection.New("names", nil)
	projection.On(p, func(context.Context, projection.Event[renamed]) error { *calls++; return nil })
	return p
}

func TestP4TheCheckpointAdvancesOverFilteredEvents(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var calls int
		w.append(t, "a", renamed{"Ada"})
		last := w.deposit(t, 100)
		r := w.start(t, names(&calls))
		r.reach(t, "names", last)
		last = w.deposit(t, 10)
		r.reach(t, "names", last)
		require.NoError(t, r.stop())
		require.Equal(t, 1, calls)
		require.Equal(t, last, w.checkpoint(t, "names"))
	})
}

func TestP4AForeignCommitIsNoWriteForAnIdleProjection(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var calls int
		var saves atomic.Int64
		w.faults.set(func(f *faults) { f.save = func(_, _ int64) error { saves.Add(1); return nil } })
		r := w.start(t, names(&calls))
		var last int64
		for range 50 { // in 5 seconds
			last = w.deposit(t, 1)
			r.reach(t, "names", last)
			<-time.After(100 * time.Millisecond)
		}
		require.LessOrEqual(t, saves.Load(), int64(6))
		<-time.After(time.Second)
		require.Equal(t, last, w.checkpoint(t, "names"), "it is stored in the end, without another commit or Run's end")
		settled := saves.Load()
		<-time.After(time.Minute)
		require.Equal(t, settled, saves.Load())
		require.NotContains(t, w.log.String(), "failed")
	})
}

func TestP4RunStoresTheCheckpointWhenItEnds(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var calls int
		r := w.start(t, names(&calls))
		r.reach(t, "names", w.deposit(t, 1)) // stored at once
		last := w.deposit(t, 1)
		r.reach(t, "names", last)
		require.NotEqual(t, last, w.checkpoint(t, "names"))
		require.NoError(t, r.stop())
		require.Equal(t, last, w.checkpoint(t, "names"))
	})
}

func TestP4TheCheckpointNeverPassesTheMark(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		const mark = 15
		var held atomic.Bool
		held.Store(true)
		w.faults.set(func(f *faults) {
			f.read = func(q driver.AllQuery, page *driver.Page) error {
				if held.Load() { // an append below what else is committed is still under way
					page.Records = slices.DeleteFunc(page.Records, func(r driver.Record) bool { return r.Position > mark })
					page.Next, page.Head = max(q.After, min(page.Next, mark)), mark
				}
				return nil
			}
		})
		var calls int
		last := w.deposit(t, 30)
		r := w.start(t, w.projection("balances", &projection.Options{BatchSize: 10}), names(&calls))
		synctest.Wait()
		for range 3 {
			<-time.After(2 * time.Second)
			require.Equal(t, int64(mark), w.checkpoint(t, "balances"))
			require.Equal(t, int64(mark), w.checkpoint(t, "names"))
		}
		held.Store(false)
		r.reach(t, "balances", last)
		r.reach(t, "names", last)
		w.requireReplayed(t)
	})
}
