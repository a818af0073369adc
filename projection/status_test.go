package projection_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
)

// gated returns a projection whose handler waits for a token before each event.
func gated(tokens <-chan error) *projection.Projection {
	p := projection.New("gated", &projection.Options{BatchSize: 1, Tries: 2})
	projection.On(p, func(context.Context, projection.Event[entry]) error { return <-tokens })
	return p
}

func TestP8StatusFollowsAProjectionThroughItsLife(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		tokens := make(chan error)
		runner := w.runner(t, nil, gated(tokens))
		w.deposit(t, 3)
		expect := func(state projection.State, position int64, lastError error) {
			t.Helper()
			synctest.Wait()
			all, err := runner.Status(t.Context())
			require.NoError(t, err)
			require.Equal(t, state, all[0].State)
			require.Equal(t, position, all[0].Position)
			require.ErrorIs(t, all[0].LastError, lastError)
		}
		expect(projection.StateStarting, 0, nil)
		r := start(t, runner)
		tokens <- nil
		tokens <- nil
		if !w.shared { // otherwise Status would wait for the handler's transaction
			expect(projection.StateCatchingUp, 2, nil)
		}
		tokens <- errRefused
		expect(projection.StateRetrying, 2, errRefused)
		require.Zero(t, time.Since(r.status(t).LastErrorAt))
		tokens <- nil
		expect(projection.StateLive, 3, errRefused)
		require.NoError(t, r.stop())
		expect(projection.StateStopped, 3, errRefused)

		r = start(t, runner)
		expect(projection.StateLive, 3, nil)
		w.deposit(t, 1)
		tokens <- errRefused
		tokens <- errBroken
		require.ErrorIs(t, r.wait(), errBroken)
		expect(projection.StateStopped, 3, errBroken)
	})
}

func TestP8StatusTellsLagAndRate(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var calls int
		runner := w.runner(t, nil, w.projection("balances", nil), names(&calls))
		w.deposit(t, 10)
		<-time.After(time.Minute)
		w.deposit(t, 10)
		w.append(t, "a", renamed{"Ada"})
		w.deposit(t, 10)
		<-time.After(time.Second)

		all, err := runner.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(31), all[0].Head)
		require.Equal(t, int64(31), all[0].Lag)
		require.Equal(t, time.Minute+time.Second, all[0].Behind)
		require.Equal(t, "names", all[1].Projection)
		require.Equal(t, int64(11), all[1].Lag, "from the first event that it handles")
		require.Equal(t, time.Second, all[1].Behind)

		r := start(t, runner)
		r.reach(t, "balances", 31)
		r.reach(t, "names", 31)
		s := r.status(t)
		require.Equal(t, int64(31), s.Position)
		require.Zero(t, s.Lag)
		require.Zero(t, s.Behind)
		require.InDelta(t, 30, s.Rate, 1, "30 events in the second that has just begun")
		<-time.After(5 * time.Second)
		require.InDelta(t, 6, r.status(t).Rate, 1)
		<-time.After(10 * time.Second)
		require.Zero(t, r.status(t).Rate)
	})
}

func TestP8StatusTellsTheOwnerWhileItRuns(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		one, two := w.runner(t, nil, w.projection("balances", nil)), w.process(t).runner(t, nil, w.projection("balances", nil))
		owner := func(r *projection.Runner) string {
			all, err := r.Status(t.Context())
			require.NoError(t, err)
			return all[0].Owner
		}
		require.Empty(t, owner(one))
		run := start(t, one)
		run.reach(t, "balances", w.deposit(t, 1))
		host, err := os.Hostname()
		require.NoError(t, err)
		require.Regexp(t, fmt.Sprintf(`^%s:%d:[0-9a-f]{8}$`, host, os.Getpid()), owner(one))
		require.Equal(t, owner(one), owner(two), "another process sees it too")
		require.NoError(t, run.stop())
		require.Empty(t, owner(one))
		require.Empty(t, owner(two))
	})
}

func TestP8StatusOfAProjectionThatHasNotBegunIsItsCheckpoint(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		r := w.start(t, w.projection("balances", nil))
		r.reach(t, "balances", w.deposit(t, 5))
		require.NoError(t, r.stop())
		all, err := w.runner(t, nil, w.projection("balances", nil)).Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(5), all[0].Position)
		require.Equal(t, projection.StateStarting, all[0].State)
	})
}

func TestP8StatusTellsWhatItKnowsWhenTheDatabaseFails(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		r := w.start(t, w.projection("balances", nil))
		r.reach(t, "balances", w.deposit(t, 5))
		w.faults.set(func(f *faults) { f.read = func(driver.AllQuery, *driver.Page) error { return errLost } })
		w.deposit(t, 1)
		synctest.Wait()
		all, err := r.Status(t.Context())
		require.ErrorIs(t, err, errLost)
		require.ErrorContains(t, err, `projection: status of "balances": `)
		require.Equal(t, projection.StateRetrying, all[0].State, "what it knows without the store")
		require.Equal(t, int64(5), all[0].Position)
	})
}

func TestP8ALongCatchUpReportsProgress(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var got []projection.Progress
		p := projection.New("slow", &projection.Options{BatchSize: 10})
		projection.On(p, func(context.Context, projection.Event[any]) error { <-time.After(time.Second); return nil })
		w.deposit(t, 40)
		r := start(t, w.runner(t, &projection.RunnerOptions{Lease: 2 * lease, OnProgress: func(p projection.Progress) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, p)
		}}, p))
		r.reach(t, "slow", 40)
		r.reach(t, "slow", w.append(t, "late", renamed{})) // live by now, and no catch-up
		require.NoError(t, r.stop())
		require.Equal(t, []projection.Progress{
			{Projection: "slow", Version: 1, Done: 10, Total: 40, Rate: 1, Left: 30 * time.Second},
			{Projection: "slow", Version: 1, Done: 20, Total: 40, Rate: 1, Left: 20 * time.Second},
			{Projection: "slow", Version: 1, Done: 30, Total: 40, Rate: 1, Left: 10 * time.Second},
			{Projection: "slow", Version: 1, Done: 40, Total: 40, Rate: 1},
		}, got)
		require.Contains(t, w.log.String(), `msg="projection is catching up" projection=slow done=20 total=40 rate=1 left=20s`)
		require.Contains(t, w.log.String(), `msg="projection has caught up" projection=slow done=40 rate=1 took=40s`)
	})
}
