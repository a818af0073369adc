package projection_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

func TestRunReturnsAnErrorTooWhenAnotherRunnerGaveUp(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		p, _ := w.refusing(5, 1<<30, &projection.Options{Tries: 2})
		one, two := w.start(t, p), w.process(t).start(t, p)
		<-time.After(3 * time.Second) // by now both know what the other one does
		w.deposit(t, 8)
		here, there := one.wait(), two.wait()
		var stopped *projection.StoppedError
		require.ErrorAs(t, errors.Join(here, there), &stopped)
		if !errors.As(there, &stopped) {
			here, there = there, here
		}
		require.ErrorIs(t, here, projection.ErrStopped)
		require.EqualError(t, here, `projection: stopped by another runner: "balances": `+there.Error())
	})
}

func TestRunReturnsNilWhenItsContextEndsWhateverAnotherRunnerGaveUp(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		p, _ := w.refusing(5, 1<<30, &projection.Options{Tries: 2})
		names := names(new(int)) // keeps both going
		one, two := w.start(t, p, names), w.process(t).start(t, p, names)
		<-time.After(3 * time.Second)
		w.deposit(t, 8)
		<-time.After(time.Minute)
		errs := []error{one.stop(), two.stop()}
		require.Contains(t, errs, error(nil))
		require.ErrorIs(t, errors.Join(errs...), projection.ErrStopped)
	})
}

func TestP7WaitForReturnsInAProcessThatRunsNothingWhenTheProjectionGaveUp(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		p, _ := w.refusing(5, 1<<30, &projection.Options{Tries: 2})
		other := w.process(t).runner(t, nil, w.projection("balances", nil))
		last := w.deposit(t, 8)
		waited := make(chan error, 1)
		go func() { waited <- other.WaitFor(t.Context(), "balances", last) }()
		stopped := w.process(t).start(t, p).wait()
		require.ErrorIs(t, stopped, projection.ErrStopped)
		for _, err := range []error{<-waited, other.WaitFor(t.Context(), "balances", last)} {
			require.ErrorIs(t, err, projection.ErrStopped)
			require.ErrorContains(t, err, `: projection: stopped by another runner: "balances": `+stopped.Error())
		}
	})
}

func TestP7WaitForLetsARunBeginThatTriesAgainWhatStoppedElsewhere(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		p, _ := w.refusing(5, 2, &projection.Options{Tries: 1})
		last := w.deposit(t, 8)
		require.ErrorIs(t, w.process(t).start(t, p).wait(), projection.ErrStopped)
		elsewhere := w.process(t)
		begun, goOn := make(chan struct{}), make(chan struct{})
		elsewhere.faults.set(func(f *faults) { f.load = sync.OnceValue(func() error { close(begun); <-goOn; return nil }) })
		r := elsewhere.runner(t, nil, w.projection("balances", nil))
		waited := make(chan error, 1)
		go func() { waited <- r.WaitFor(t.Context(), "balances", last) }()
		synctest.Wait()
		start(t, r)
		<-begun
		<-time.After(time.Minute) // in which it can't take the lease
		close(goOn)
		require.NoError(t, <-waited)
	})
}

func TestP7WaitForWorksInAProcessThatRunsNothingOnADriverWithoutOwners(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w = w.withoutOwners(t)
		last := w.deposit(t, 8)
		other := w.runner(t, nil, w.projection("balances", nil))
		waited := make(chan error, 1)
		go func() { waited <- other.WaitFor(t.Context(), "balances", last) }()
		synctest.Wait()
		require.NoError(t, w.runner(t, nil, w.projection("balances", nil)).CatchUp(t.Context()))
		require.NoError(t, <-waited)
		require.NoError(t, w.runner(t, nil, w.projection("balances", nil)).WaitFor(t.Context(), "balances", last))
	})
}

func TestP7WaitForOutlastsAnOutageInAProcessWhoseRunHasEnded(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		elsewhere, opts := w.process(t), &projection.Options{Partitions: 3}
		r := w.start(t, w.projection("balances", opts))
		r.reach(t, "balances", w.deposit(t, 8))
		require.NoError(t, r.stop())
		elsewhere.start(t, w.projection("balances", opts))
		<-time.After(time.Second) // and it has the leases
		w.faults.kill()
		waited := make(chan error, 1)
		go func() { waited <- r.WaitFor(t.Context(), "balances", 10) }()
		all, err := r.Status(t.Context())
		require.ErrorIs(t, err, errLost)
		require.Len(t, all[0].Partitions, 3)
		<-time.After(time.Minute)
		require.Empty(t, waited)
		w.faults.set(func(f *faults) { f.call = nil })
		w.deposit(t, 2)
		require.NoError(t, <-waited)
	})
}

func TestP7WaitForOnADriverWithoutCheckpointsSaysSo(t *testing.T) {
	store, err := eventstore.New(bare{memory.New()}, newRegistry(), nil)
	require.NoError(t, err)
	r, err := projection.NewRunner(store, nil, with("p", nil, on[deposited]))
	require.NoError(t, err)
	require.ErrorIs(t, r.WaitFor(t.Context(), "p", 1), eventstore.ErrNotSupported)
}
