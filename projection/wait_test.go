package projection_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/projection"
)

func TestP7WaitForLetsAWriterReadItsOwnWrites(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		r := w.start(t, w.projection("balances", nil))
		for i := range 20 {
			r.reach(t, "balances", w.append(t, "ada", deposited{1}))
			require.Equal(t, map[string]int{"ada": i + 1}, w.balances.all(t))
		}
	})
}

func TestP7WaitForOutlastsARetryAndAWaitForRun(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		last := w.deposit(t, 5)
		p, _ := w.refusing(3, 3, nil)
		r := w.runner(t, nil, p)
		waited := make(chan error, 1)
		go func() { waited <- r.WaitFor(t.Context(), "balances", last) }()
		synctest.Wait()
		require.Empty(t, waited)
		start(t, r)
		require.NoError(t, <-waited)
		require.Equal(t, last, w.checkpoint(t, "balances"))
	})
}

func TestP7WaitForReturnsAtOnceForWhatIsHandled(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		r := w.start(t, w.projection("balances", nil))
		last := w.deposit(t, 5)
		r.reach(t, "balances", last)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, r.WaitFor(over, "balances", last))
		require.NoError(t, r.WaitFor(over, "balances", 0))
		require.NoError(t, r.stop())
		require.NoError(t, r.WaitFor(t.Context(), "balances", last))
	})
}

func TestP7WaitForEndsWithTheContext(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		r := w.start(t, w.projection("balances", nil))
		r.reach(t, "balances", w.deposit(t, 2))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.WaitFor(ctx, "balances", 99)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, `projection: wait for "balances", which is live at position 2, to handle position 99: `+
			`context deadline exceeded`)
	})
}

func TestP7WaitForSaysThatNothingWillCome(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		r := w.start(t, w.projection("balances", nil))
		require.EqualError(t, r.WaitFor(t.Context(), "balance", 1),
			`projection: unknown projection: "balance" is not among those that NewRunner was given`)
		require.ErrorIs(t, r.WaitFor(t.Context(), "balance", 1), projection.ErrUnknown)

		waited := make(chan error, 1)
		go func() { waited <- r.WaitFor(t.Context(), "balances", 1) }()
		synctest.Wait()
		require.NoError(t, r.stop())
		err := <-waited
		require.ErrorIs(t, err, projection.ErrStopped)
		require.EqualError(t, err, `projection: wait for "balances", which is stopped at position 0, to handle position 1: `+
			`projection: stopped: its runner has ended`)
	})
}

func TestCatchUpHandlesWhatIsThereAndEnds(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		runner, err := projection.NewRunner(w.store, nil, w.projection("balances", nil))
		require.NoError(t, err)
		for i := range 3 { // a runner may catch up again
			w.append(t, "a", deposited{Cents: 5})
			require.NoError(t, runner.CatchUp(t.Context()))
			require.Equal(t, map[string]int{"a": 5 * (i + 1)}, w.balances.all(t))
		}
		require.NoError(t, runner.CatchUp(t.Context()), "with nothing to do")
	})
}

func TestCatchUpReturnsWhyAProjectionStopped(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		p := with("broken", &projection.Options{Tries: 1}, func(p *projection.Projection) {
			projection.On(p, func(context.Context, projection.Event[deposited]) error { return errors.New("no") })
		})
		runner, err := projection.NewRunner(w.store, &projection.RunnerOptions{Logger: slog.New(slog.DiscardHandler)}, p)
		require.NoError(t, err)
		w.append(t, "a", deposited{Cents: 5})
		err = runner.CatchUp(t.Context())
		require.ErrorIs(t, err, projection.ErrStopped)
		require.ErrorContains(t, err, "no")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, runner.CatchUp(ctx), context.Canceled)
	})
}
