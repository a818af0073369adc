package projection_test

import (
	"context"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/projection"
)

func TestP9RunReturnsAfterTheBatchInHand(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 10)
		half, goOn := make(chan struct{}), make(chan struct{})
		p := projection.New("balances", &projection.Options{BatchSize: 5})
		projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
			if e.Position == 3 {
				close(half)
				<-goOn
				require.NoError(t, ctx.Err())
			}
			return w.balances.add(ctx, e.Stream.ID, e.Payload.cents())
		})
		r := w.start(t, p)
		<-half
		r.cancel()
		synctest.Wait()
		select {
		case <-r.ended:
			require.Fail(t, "Run returned before the batch was done")
		default:
		}
		close(goOn)
		require.NoError(t, r.wait())
		require.Equal(t, int64(5), w.checkpoint(t, "balances"))
		require.Len(t, w.balances.all(t), 5)
	})
}

func TestP9AHandlerThatTakesLongerThanTheGracePeriodIsCutShort(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 5)
		p := projection.New("balances", nil)
		projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
			if e.Position < 3 {
				return w.balances.add(ctx, e.Stream.ID, e.Payload.cents())
			}
			<-ctx.Done()
			return ctx.Err()
		})
		r := start(t, w.runner(t, &projection.RunnerOptions{Grace: time.Minute}, p))
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.stop())
		require.Equal(t, time.Minute, time.Since(began))
		require.Zero(t, w.checkpoint(t, "balances"))
		if w.atomic {
			require.Empty(t, w.balances.all(t))
		}
		require.Contains(t, w.log.String(), "the grace period is over")
	})
}

func TestP9RunReleasesItsLeases(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		opts := &projection.Options{Partitions: 3}
		one := w.start(t, w.projection("balances", opts))
		one.reach(t, "balances", w.deposit(t, 5))
		two := w.process(t).start(t, w.projection("balances", opts))
		<-time.After(5 * time.Second) // by now they share, and both are present
		require.NoError(t, one.stop())
		require.NoError(t, two.stop())
		leases, err := w.store.Leases(t.Context(), "")
		require.NoError(t, err)
		require.Greater(t, len(leases), 5)
		for _, l := range leases {
			require.Empty(t, l.Owner, l.Name)
		}
	})
}

func TestP9RunReturnsAtOnceWhenNothingIsInHand(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 5)
		failing, _ := w.refusing(3, 1<<30, &projection.Options{MinBackoff: time.Hour, MaxBackoff: time.Hour})
		var calls int
		r := w.start(t, failing, names(&calls)) // one waits for its next try, the other one at the head
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.stop())
		require.Zero(t, time.Since(began))
	})
}

func TestP9RunLeavesNoGoroutineBehind(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 5)
		failing, _ := w.refusing(3, 1<<30, nil)
		var calls int
		r := w.start(t, failing, names(&calls))
		synctest.Wait()
		require.NoError(t, r.stop())
		synctest.Wait() // for the goroutine of start
		for _, left := range []string{"projection.(*", "eventstore.(*tide)", "Watch("} {
			require.NotContains(t, stacksOfThisBubble(t), left)
		}
	})
}

// stacksOfThisBubble leaves out the goroutines of tests that run at the same time.
func stacksOfThisBubble(t *testing.T) (own string) {
	t.Helper()
	stacks := make([]byte, 1<<22)
	all := strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n")
	bubble := regexp.MustCompile(`synctest bubble \d+]`).FindString(all[0])
	require.NotEmpty(t, bubble)
	for _, stack := range all {
		if strings.Contains(stack, bubble) {
			own += stack + "\n"
		}
	}
	return own
}

func TestP9RunEndsBeforeItBeginsIfItsContextHasEnded(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 5)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, w.runner(t, nil, w.projection("balances", nil)).Run(ctx))
		require.Zero(t, w.checkpoint(t, "balances"))
	})
}

func TestP9RunGoesOnWhenItIsCalledAgainButNotTwiceAtATime(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		runner := w.runner(t, nil, w.projection("balances", nil))
		for range 3 {
			r := start(t, runner)
			synctest.Wait()
			r.reach(t, "balances", w.deposit(t, 5))
			require.ErrorContains(t, runner.Run(t.Context()), "Run was called while the runner is running")
			require.NoError(t, r.stop())
		}
		w.requireReplayed(t)
	})
}

func TestP9AHandlerThatEndsItsGoroutineStopsItsProjection(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 5)
		p := projection.New("gone", nil)
		projection.On(p, func(context.Context, projection.Event[any]) error { runtime.Goexit(); return nil })
		r := w.start(t, p)
		require.ErrorContains(t, r.wait(), "a handler called runtime.Goexit")
		require.ErrorIs(t, r.WaitFor(t.Context(), "gone", 1), projection.ErrStopped)
		require.Zero(t, w.checkpoint(t, "gone"))
	})
}
