package projection_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/projection"
)

func TestPauseFromAnyProcessLastsUntilResume(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		opts := &projection.Options{Partitions: 2}
		one := w.start(t, w.projection("balances", opts))
		two := w.process(t).start(t, w.projection("balances", opts))
		elsewhere := w.process(t).runner(t, nil, w.projection("balances", opts))
		first := w.deposit(t, 10)
		one.reach(t, "balances", first)

		require.NoError(t, elsewhere.Pause(t.Context(), "balances"))
		<-time.After(2 * time.Second)
		last := w.deposit(t, 10)
		<-time.After(time.Minute)
		for _, r := range []*running{one, two} {
			s := r.status(t)
			require.Equal(t, projection.StatePaused, s.State)
			require.Equal(t, first, s.Position)
			require.Empty(t, s.Owner)
		}
		require.NoError(t, one.stop())
		again := w.process(t).start(t, w.projection("balances", opts))
		<-time.After(time.Minute)
		require.Equal(t, projection.StatePaused, again.status(t).State, "over restarts too")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := two.WaitFor(ctx, "balances", last)
		require.EqualError(t, err, `projection: wait for "balances", which is paused at position 10, to handle position 20: `+
			`context deadline exceeded`)

		require.NoError(t, elsewhere.Resume(t.Context(), "balances"))
		two.reach(t, "balances", last)
		w.requireReplayed(t)
	})
}

func TestPauseLetsTheBatchInHandEnd(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		if w.shared {
			t.Skip("who looks whether it is paused would wait for the handler's transaction: there is one connection")
		}
		half, goOn := make(chan struct{}), make(chan struct{})
		var calls int
		p := projection.New("slow", &projection.Options{BatchSize: 3})
		projection.On(p, func(ctx context.Context, _ projection.Event[entry]) error {
			if calls++; calls == 2 {
				close(half)
				<-goOn
			}
			return ctx.Err()
		})
		w.deposit(t, 9)
		r := w.start(t, p)
		<-half
		paused := make(chan error)
		go func() { paused <- r.Pause(t.Context(), "slow") }()
		if w.single { // what Pause writes waits for the handler's transaction
			close(goOn)
		}
		require.NoError(t, <-paused)
		<-time.After(2 * time.Second)
		if !w.single {
			close(goOn)
		}
		<-time.After(2 * time.Second)
		s := r.status(t)
		require.Equal(t, projection.StatePaused, s.State)
		require.Equal(t, s.Position, w.checkpoint(t, "slow"))
		require.Equal(t, int64(calls), s.Position, "whole batches")
		require.Zero(t, calls%3)
		if !w.single {
			require.Equal(t, 3, calls)
		}
	})
}

func TestResumeCountsAsSoonAsAProjectionIsSeenToHaveGivenUp(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var slow atomic.Bool // the database, while the worker ends
		w.faults.set(func(f *faults) {
			f.call = func() error {
				if slow.Load() {
					<-time.After(500 * time.Millisecond)
				}
				return nil
			}
		})
		fails, failed := times(1, errRefused), make(chan struct{})
		p := projection.New("balances", &projection.Options{Tries: 1})
		projection.On(p, func(context.Context, projection.Event[entry]) error {
			err := fails()
			if err != nil {
				slow.Store(true)
				close(failed)
			}
			return err
		})
		r := w.start(t, p, names(new(int)))
		last := w.deposit(t, 1)
		<-failed
		synctest.Wait()
		slow.Store(false)
		require.Equal(t, projection.StateStopped, r.status(t).State)
		require.NoError(t, r.Resume(t.Context(), "balances"))
		<-time.After(2 * time.Second)
		r.reach(t, "balances", last)
	})
}

func TestResumeHasAProjectionTriedAgainThatHasGivenUp(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		last := w.deposit(t, 8)
		p, _ := w.refusing(5, 2+1, &projection.Options{Tries: 2})
		names := names(new(int)) // keeps Run going
		one := w.start(t, p, names)
		err := one.WaitFor(t.Context(), "balances", last)
		require.ErrorIs(t, err, projection.ErrStopped)
		elsewhere := w.process(t)
		two := elsewhere.start(t, elsewhere.projection("balances", nil), names)
		<-time.After(time.Minute)
		_ = two
		require.NoError(t, one.Resume(t.Context(), "balances"))
		one.reach(t, "balances", last)
		if w.atomic {
			w.requireReplayed(t)
		}
	})
}

func TestWhoWaitsAfterAResumeFromElsewhereIsNotToldOfTheStopBefore(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		last := w.deposit(t, 8)
		p, _ := w.refusing(5, 1+1, &projection.Options{Tries: 1})
		r := w.start(t, p, names(new(int)))
		require.ErrorIs(t, r.WaitFor(t.Context(), "balances", last), projection.ErrStopped)
		synctest.Wait() // until nobody holds the partition any more
		require.NoError(t, w.runner(t, nil, w.projection("balances", nil)).Resume(t.Context(), "balances"))
		require.NotEqual(t, projection.StateStopped, r.status(t).State)
		r.reach(t, "balances", last)
	})
}

func TestP2AProjectionThatGaveUpIsNotTriedByRunnersThatWereThereAlready(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		p, got := w.refusing(5, 1<<30, &projection.Options{Tries: 2})
		names := names(new(int))
		one := w.start(t, p, names)
		synctest.Wait()
		elsewhere := w.process(t)
		two := elsewhere.start(t, p, names)
		<-time.After(3 * time.Second)
		last := w.deposit(t, 8)
		err := one.WaitFor(t.Context(), "balances", last)
		require.ErrorIs(t, err, projection.ErrStopped)
		tried := len(*got)
		<-time.After(time.Minute)
		require.Len(t, *got, tried)
		for _, r := range []*running{one, two} {
			s := r.status(t)
			require.Equal(t, projection.StateStopped, s.State)
			require.Contains(t, s.LastError.Error(), errRefused.Error())
			require.ErrorIs(t, r.WaitFor(t.Context(), "balances", last), projection.ErrStopped)
		}
		three := w.process(t).start(t, w.projection("balances", nil)) // which is mended
		three.reach(t, "balances", last)
		one.reach(t, "balances", last)
	})
}

func TestP7WaitForWorksInAProcessThatRunsNothing(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		running := w.process(t).start(t, w.projection("balances", &projection.Options{Partitions: 3}))
		synctest.Wait()
		elsewhere := w.process(t).runner(t, nil, w.projection("balances", nil))
		for i := range 20 {
			began := time.Now()
			require.NoError(t, elsewhere.WaitFor(t.Context(), "balances", w.append(t, "ada", deposited{1})))
			require.Equal(t, map[string]int{"ada": i + 1}, w.balances.all(t))
			if i > 0 {
				require.LessOrEqual(t, time.Since(began), 1200*time.Millisecond, "a checkpoint of partitions that had nothing to do")
			}
		}
		require.NoError(t, running.stop())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := elsewhere.WaitFor(ctx, "balances", 99)
		require.EqualError(t, err, `projection: wait for "balances", which is starting at position 20, to handle position 99: `+
			`context deadline exceeded`)
	})
}

func TestCatchUpWaitsForWhatAnotherProcessOwns(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		one := w.start(t, w.projection("balances", nil))
		one.reach(t, "balances", w.deposit(t, 5))
		w.deposit(t, 50)
		elsewhere := w.process(t).runner(t, nil, w.projection("balances", nil))
		require.NoError(t, elsewhere.CatchUp(t.Context()))
		w.requireReplayed(t)
	})
}

func TestCatchUpTakesOverFromAProcessThatWasKilled(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		doomed := w.process(t)
		one := doomed.start(t, w.projection("balances", nil))
		one.reach(t, "balances", w.deposit(t, 5))
		doomed.faults.kill()
		w.deposit(t, 50)
		began := time.Now()
		require.NoError(t, w.runner(t, nil, w.projection("balances", nil)).CatchUp(t.Context()))
		require.LessOrEqual(t, time.Since(began), 16*time.Second)
		w.requireReplayed(t)
	})
}

func TestCatchUpSaysThatAProjectionIsPaused(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		r := w.runner(t, nil, w.projection("balances", nil))
		require.NoError(t, r.Pause(t.Context(), "balances"))
		w.deposit(t, 5)
		err := r.CatchUp(t.Context())
		require.ErrorIs(t, err, projection.ErrPaused)
		require.EqualError(t, err, `projection: wait for "balances", which is paused at position 0, to handle position 5: `+
			`projection: paused: call Resume`)
		require.NoError(t, r.Resume(t.Context(), "balances"))
		require.NoError(t, r.CatchUp(t.Context()))
		w.requireReplayed(t)
	})
}
