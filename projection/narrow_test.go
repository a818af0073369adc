package projection_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

func TestP2ABatchThatFailsAsAWholeIsHalvedDownToTheEventToBlame(t *testing.T) {
	for _, poison := range []int64{1, 2, 63, 64, 99, 100} {
		t.Run(fmt.Sprintf("position %d", poison), func(t *testing.T) {
			onEvery(t, func(t *testing.T, w *world) {
				w.deposit(t, 100)
				p := projection.New("bulk", &projection.Options{Tries: 2})
				var calls int
				projection.OnBatch(p, func(_ context.Context, events []eventstore.Event) error {
					calls++
					for _, e := range events {
						if e.Position == poison {
							return errRefused
						}
					}
					return nil
				})
				err := w.start(t, p).wait()
				var stopped *projection.StoppedError
				require.ErrorAs(t, err, &stopped)
				require.Equal(t, poison, stopped.Event.Position)
				require.Equal(t, poison-1, w.checkpoint(t, "bulk"))
				require.LessOrEqual(t, calls, 20)
			})
		})
	}
}

func TestP2BatchesGrowAgainBehindTheEventThatFailed(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		last := w.deposit(t, 40)
		var sizes []int
		fails := times(4, errRefused)
		p := projection.New("bulk", &projection.Options{BatchSize: 10})
		projection.OnBatch(p, func(_ context.Context, events []eventstore.Event) error {
			sizes = append(sizes, len(events))
			if events[0].Position <= 3 && events[len(events)-1].Position >= 3 {
				return fails()
			}
			return nil
		})
		r := w.start(t, p)
		r.reach(t, "bulk", last)
		require.NoError(t, r.stop())
		require.Equal(t, []int{10, 5, 2, 2, 1, 1, 10, 10, 10, 7}, sizes)
	})
}

func TestP2AnEventWhoseWriteTheCommitRefusesIsFoundToo(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		const poison = 13
		w.deposit(t, 20)
		refused := false
		w.faults.set(func(f *faults) {
			f.commit = func() error {
				defer func() { refused = false }()
				if refused {
					return errRefused // as a constraint that is checked at the commit
				}
				return nil
			}
		})
		p := projection.New("late", &projection.Options{Tries: 2})
		projection.On(p, func(_ context.Context, e projection.Event[any]) error {
			refused = refused || e.Position == poison
			return nil
		})
		err := w.start(t, p).wait()
		var stopped *projection.StoppedError
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, int64(poison), stopped.Event.Position)
		require.Equal(t, int64(poison-1), w.checkpoint(t, "late"))
	})
}

func TestP2ABatchIsNeverCutBetweenThePartsOfOneStoredEvent(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w.move(t, 5, func(upcaster.Event) string { return `{}` })

		var got []string
		fails := times(3, errRefused)
		p := projection.New("balances", nil)
		projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
			got = append(got, fmt.Sprint(e.Position, ".", e.Part))
			if e.Position == 3 && e.Part == 1 {
				if err := fails(); err != nil {
					return err
				}
			}
			return w.balances.add(ctx, e.Stream.ID, 1)
		})
		r := w.start(t, p)
		r.reach(t, "balances", 5)
		require.NoError(t, r.stop())
		require.Equal(t, []string{"1.0", "1.1", "2.0", "2.1", "3.0", "3.1", "1.0", "1.1", "2.0", "2.1",
			"3.0", "3.1", "3.0", "3.1", "3.0", "3.1", "4.0", "4.1", "5.0", "5.1"}, got)
		require.Equal(t, map[string]int{"a": 10}, w.balances.all(t))
	})
}

// move stores n moves in the account a, and from then on reads each as a deposit and a withdrawal, with this payload.
func (w *world) move(t *testing.T, n int, withdrawal func(e upcaster.Event) string) {
	t.Helper()
	type moved struct{ Cents int }
	old := serializer.NewRegistry(nil)
	serializer.Register[moved](old, "account.moved")
	before := w.open(t, old, nil)
	for range n {
		_, err := before.Append(t.Context(), account("a"), eventstore.Any, eventstore.Events(moved{7})...)
		require.NoError(t, err)
	}
	steps, err := upcaster.New(upcaster.Split(upcaster.V("account.moved", 1), []upcaster.Type{upcaster.V("account.deposited", 1),
		upcaster.V("account.withdrawn", 1)}, func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
		in, out := e, e
		in.Type, out.Type, out.Data = upcaster.V("account.deposited", 1), upcaster.V("account.withdrawn", 1), []byte(withdrawal(e))
		return []upcaster.Event{in, out}, nil
	}))
	require.NoError(t, err)
	w.store = w.open(t, newRegistry(), &eventstore.Options{Upcasters: steps})
}

func TestP1NoPartOfAnEventIsAppliedBeforeAllOfThemCanBeDecoded(t *testing.T) {
	for _, then := range []projection.Action{projection.Stop, projection.Park} {
		t.Run(string(then), func(t *testing.T) {
			onSQL(t, func(t *testing.T, w *world) {
				const bad = 3
				var mended atomic.Bool
				w.move(t, 5, func(e upcaster.Event) string {
					if e.Version == bad && !mended.Load() {
						return `{"Cents":"many"}`
					}
					return `{}`
				})
				var got []string
				p := projection.New("parts", &projection.Options{Tries: 2, Then: then})
				projection.On(p, func(_ context.Context, e projection.Event[entry]) error {
					got = append(got, fmt.Sprint(e.Position, ".", e.Part))
					return nil
				})
				r := w.start(t, p)
				<-time.After(5 * time.Second)
				if then == projection.Park {
					require.NoError(t, r.Retry(t.Context(), "parts", account("a")))
					require.Len(t, parkedStreams(t, r, "parts"), 1, "in vain")
				}
				require.Equal(t, []string{"1.0", "1.1", "2.0", "2.1"}, got)
				mended.Store(true)
				if then == projection.Park {
					require.NoError(t, r.Retry(t.Context(), "parts", account("a")))
					require.Empty(t, parkedStreams(t, r, "parts"))
				} else {
					require.ErrorIs(t, r.wait(), projection.ErrStopped)
					r = w.start(t, p)
				}
				r.reach(t, "parts", 5)
				require.NoError(t, r.stop())
				require.Equal(t, []string{"1.0", "1.1", "2.0", "2.1", "3.0", "3.1", "4.0", "4.1", "5.0", "5.1"}, got)
			})
		})
	}
}
