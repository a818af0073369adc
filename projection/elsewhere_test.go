package projection_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
