package projection_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
)

func TestP1EventsComeInOrderFromCatchUpIntoLive(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var got []eventstore.Event
		p := projection.New("all", &projection.Options{BatchSize: 7})
		projection.On(p, func(_ context.Context, e projection.Event[any]) error {
			got = append(got, e.Event)
			return nil
		})
		w.deposit(t, 50)
		r := w.start(t, p)
		r.reach(t, "all", w.deposit(t, 50))
		require.NoError(t, r.stop())
		var want []eventstore.Event
		for e, err := range w.store.All(t.Context(), 0, nil) {
			require.NoError(t, err)
			want = append(want, e)
		}
		require.Equal(t, want, got)
	})
}

// crashingHandler is what a handler does, after its write, the third time it is called, and never again.
type crashingHandler func(ctx context.Context, stop context.CancelFunc) error

func TestP1ACrashedHandlerLeavesNothingBehindAndNothingOut(t *testing.T) {
	for name, crash := range map[string]crashingHandler{
		"it fails":               func(context.Context, context.CancelFunc) error { return errBroken },
		"it panics":              func(context.Context, context.CancelFunc) error { panic(errBroken) },
		"it ends its goroutine":  func(context.Context, context.CancelFunc) error { runtime.Goexit(); return nil },
		"it is cut short":        func(ctx context.Context, stop context.CancelFunc) error { stop(); <-ctx.Done(); return ctx.Err() },
		"it overlooks its end":   func(ctx context.Context, stop context.CancelFunc) error { stop(); <-ctx.Done(); return nil },
		"it fails while it ends": func(_ context.Context, stop context.CancelFunc) error { stop(); return errBroken },
	} {
		t.Run(name, func(t *testing.T) {
			onSQL(t, func(t *testing.T, w *world) {
				last, calls := w.deposit(t, 20), 0
				var stop context.CancelFunc
				p := projection.New("balances", &projection.Options{BatchSize: 5})
				projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
					if err := w.balances.add(ctx, e.Stream.ID, e.Payload.cents()); err != nil {
						return err
					}
					if calls++; calls == 3 {
						return crash(ctx, stop)
					}
					return nil
				})
				for position := int64(0); position < last; position = w.checkpoint(t, "balances") {
					r := w.runner(t, &projection.RunnerOptions{Grace: -1}, p)
					ctx, cancel := context.WithCancel(t.Context())
					stop = cancel
					ended := make(chan struct{})
					go func() { defer close(ended); _ = r.Run(ctx) }()
					_ = r.WaitFor(ctx, "balances", last)
					cancel()
					<-ended
				}
				w.requireReplayed(t)
			})
		})
	}
}

func TestP1ADatabaseThatFailsAtAnyPointOfABatchAppliesItOnce(t *testing.T) {
	for name, breakIt := range map[string]func(f *faults){
		"before the checkpoint is saved":  func(f *faults) { s := times(3, errLost); f.save = func(_, _ int64) error { return s() } },
		"after the checkpoint was saved":  func(f *faults) { s := times(3, errLost); f.saved = func(int64) error { return s() } },
		"before the commit":               func(f *faults) { f.commit = times(3, errLost) },
		"before the answer to the commit": func(f *faults) { f.answer = times(3, errLost) },
		"with an error that is no outage": func(f *faults) { f.commit = times(3, errBroken) },
		"by losing a race at the commit":  func(f *faults) { f.commit = times(3, fmt.Errorf("deadlock: %w", driver.ErrRace)) },
		"while the page is read": func(f *faults) {
			s := times(3, errLost)
			f.read = func(driver.AllQuery, *driver.Page) error { return s() }
		},
		"while the checkpoint is asked for": func(f *faults) { f.load = times(3, errLost) },
	} {
		t.Run(name, func(t *testing.T) {
			onSQL(t, func(t *testing.T, w *world) {
				last := w.deposit(t, 20)
				w.faults.set(breakIt)
				r := w.start(t, w.projection("balances", &projection.Options{BatchSize: 5}))
				r.reach(t, "balances", last)
				require.NoError(t, r.stop())
				w.requireReplayed(t)
			})
		})
	}
}

func TestP1RandomFaultsAndRestartsApplyEachEventOnce(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		chance := func(percent int) func() error {
			return func() error {
				if random.IntN(100) < percent {
					return []error{errLost, errBroken}[random.IntN(2)]
				}
				return nil
			}
		}
		last := w.deposit(t, 200)
		fails := chance(5)
		w.faults.set(func(f *faults) {
			f.commit, f.answer = chance(10), chance(10)
			f.save = func(_, _ int64) error { return chance(10)() }
			f.saved = func(int64) error { return chance(10)() }
		})
		for position := int64(0); position < last; position = w.checkpoint(t, "balances") {
			p := projection.New("balances", &projection.Options{BatchSize: 1 + random.IntN(30), Tries: 3})
			projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
				return errors.Join(w.balances.add(ctx, e.Stream.ID, e.Payload.cents()), fails())
			})
			r := w.start(t, p)
			_ = r.WaitFor(t.Context(), "balances", min(last, position+40))
			_ = r.stop()
		}
		w.requireReplayed(t)
	})
}

func TestP1OfTwoRunnersOnADriverWithoutOwnersTheSlowerOneGoesOnFromWhereTheOtherOneIs(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w = w.withoutOwners(t)
		last := w.deposit(t, 20)
		var raced atomic.Bool
		var calls atomic.Int64
		balances := projection.New("balances", &projection.Options{BatchSize: 5})
		projection.On(balances, func(ctx context.Context, e projection.Event[entry]) error {
			calls.Add(1)
			return w.balances.add(ctx, e.Stream.ID, e.Payload.cents())
		})
		w.faults.set(func(f *faults) {
			f.read = func(q driver.AllQuery, _ *driver.Page) error {
				if q.Limit > 0 && raced.CompareAndSwap(false, true) { // it has its first page: the other one is faster
					other := w.start(t, balances)
					other.reach(t, "balances", 10)
					require.NoError(t, other.stop())
				}
				return nil
			}
		})
		r := w.start(t, balances)
		r.reach(t, "balances", last)
		w.requireReplayed(t)
		require.Equal(t, int64(20), calls.Load(), "no handler was called in vain")
		require.Contains(t, w.log.String(), "moved by another runner")
		require.Equal(t, projection.StateLive, r.status(t).State)
	})
}

func TestP1TwoRunnersOnADriverWithoutOwnersApplyEachEventOnce(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w = w.withoutOwners(t)
		one := w.start(t, w.projection("balances", &projection.Options{BatchSize: 3}))
		two := w.start(t, w.projection("balances", &projection.Options{BatchSize: 4}))
		last := w.deposit(t, 200)
		one.reach(t, "balances", last)
		two.reach(t, "balances", last)
		w.requireReplayed(t)
	})
}

func TestP1WithoutTransactionsEachEventIsHandledAtLeastOnce(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		last := w.deposit(t, 10)
		w.faults.set(func(f *faults) { s := times(2, errLost); f.save = func(_, _ int64) error { return s() } })
		var got []int64
		p := projection.New("all", &projection.Options{BatchSize: 5})
		projection.On(p, func(_ context.Context, e projection.Event[any]) error {
			got = append(got, e.Position)
			return nil
		})
		r := w.start(t, p)
		r.reach(t, "all", last)
		require.NoError(t, r.stop())
		require.Equal(t, []int64{1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, got)
	})
}
