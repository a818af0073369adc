package projection_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

func TestOnHandsOutTheTypesThatItsParameterSays(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var values []deposited
		var entries []int
		var all []any
		value, iface, every := projection.New("value", nil), projection.New("interface", nil), projection.New("all", nil)
		projection.On(value, func(_ context.Context, e projection.Event[deposited]) error {
			values = append(values, e.Payload)
			return nil
		})
		projection.On(iface, func(_ context.Context, e projection.Event[entry]) error {
			entries = append(entries, e.Payload.cents())
			return nil
		})
		projection.On(every, func(_ context.Context, e projection.Event[any]) error {
			require.Equal(t, e.Event.Payload, e.Payload)
			all = append(all, e.Payload)
			return nil
		})
		r := w.start(t, value, iface, every)
		last := w.append(t, "a", deposited{1}, withdrawn{2}, renamed{"Ada"})
		for _, name := range []string{"value", "interface", "all"} {
			r.reach(t, name, last)
		}
		require.NoError(t, r.stop())
		require.Equal(t, []deposited{{1}}, values)
		require.Equal(t, []int{1, -2}, entries)
		require.Equal(t, []any{deposited{1}, withdrawn{2}, renamed{"Ada"}}, all)
	})
}

func TestOnTakesAHandlerForEachType(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var got []string
		p := projection.New("both", nil)
		projection.On(p, func(context.Context, projection.Event[deposited]) error { got = append(got, "in"); return nil })
		projection.On(p, func(context.Context, projection.Event[withdrawn]) error { got = append(got, "out"); return nil })
		r := w.start(t, p)
		r.reach(t, "both", w.append(t, "a", deposited{1}, renamed{}, withdrawn{1}, deposited{1}))
		require.NoError(t, r.stop())
		require.Equal(t, []string{"in", "out", "in"}, got)
	})
}

func TestOnBatchGetsTheTypesOfTheOptionsUpToABatchAtATime(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var got [][]any
		p := projection.New("bulk", &projection.Options{Types: []string{"account.deposited"}, BatchSize: 2})
		projection.OnBatch(p, func(_ context.Context, events []eventstore.Event) error {
			var payloads []any
			for _, e := range events {
				payloads = append(payloads, e.Payload)
			}
			got = append(got, payloads)
			return nil
		})
		last := w.append(t, "a", deposited{1}, renamed{}, deposited{2}, withdrawn{3}, deposited{3})
		r := w.start(t, p)
		r.reach(t, "bulk", last)
		require.NoError(t, r.stop())
		require.Equal(t, [][]any{{deposited{1}, deposited{2}}, {deposited{3}}}, got)
	})
}

func TestStreamTypesKeepOtherStreamsAway(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var got []eventstore.StreamID
		p := projection.New("savings", &projection.Options{StreamTypes: []string{"savings"}})
		projection.On(p, func(_ context.Context, e projection.Event[entry]) error {
			got = append(got, e.Stream)
			return nil
		})
		savings := eventstore.StreamID{Type: "savings", ID: "a"}
		w.append(t, "a", deposited{1})
		_, err := w.store.Append(t.Context(), savings, eventstore.Any, eventstore.Events(deposited{1})...)
		require.NoError(t, err)
		r := w.start(t, p)
		r.reach(t, "savings", w.append(t, "b", deposited{1}))
		require.NoError(t, r.stop())
		require.Equal(t, []eventstore.StreamID{savings}, got)
	})
}

func TestP10AHandlerMayReadAndAppendWithItsContext(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		fails := times(2, errRefused)
		p := projection.New("greeter", nil)
		projection.On(p, func(ctx context.Context, e projection.Event[deposited]) error {
			n := 0
			for _, err := range w.store.Stream(ctx, e.Stream, nil) {
				if n++; err != nil {
					return err
				}
			}
			if n > 1 {
				return nil
			}
			_, err := w.store.Append(ctx, e.Stream, eventstore.Exactly(e.Version), eventstore.Events(renamed{"rich"})...)
			if err == nil && w.atomic {
				err = fails() // and takes the append back
			}
			return err
		})
		r := w.start(t, p)
		w.append(t, "a", deposited{1})
		r.reach(t, "greeter", w.append(t, "b", deposited{1}))
		require.NoError(t, r.stop())
		for _, id := range []string{"a", "b"} {
			var got []any
			for e, err := range w.store.Stream(t.Context(), account(id), nil) {
				require.NoError(t, err)
				got = append(got, e.Payload)
			}
			require.Equal(t, []any{deposited{1}, renamed{"rich"}}, got)
		}
	})
}

func TestP10AnEventThatAHandlerAppendsComesToItsOwnProjection(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var got []int
		p := projection.New("countdown", nil)
		projection.On(p, func(ctx context.Context, e projection.Event[deposited]) error {
			got = append(got, e.Payload.Cents)
			if e.Payload.Cents == 0 {
				return nil
			}
			_, err := w.store.Append(ctx, e.Stream, eventstore.Any, eventstore.Events(deposited{e.Payload.Cents - 1})...)
			return err
		})
		r := w.start(t, p)
		r.reach(t, "countdown", w.append(t, "a", deposited{3})+3)
		require.NoError(t, r.stop())
		require.Equal(t, []int{3, 2, 1, 0}, got)
	})
}

func TestP10AHandlerWithAContextOfItsOwnGetsAnErrorThatSaysWhatToDo(t *testing.T) {
	onSQLite(t, func(t *testing.T, w *world) {
		outside := t.Context()
		p := projection.New("careless", &projection.Options{Tries: 1})
		projection.On(p, func(_ context.Context, e projection.Event[deposited]) error {
			_, err := w.store.Append(outside, e.Stream, eventstore.Any, eventstore.Events(renamed{})...)
			return err
		})
		began := time.Now()
		w.append(t, "a", deposited{1})
		err := w.start(t, p).wait()
		require.ErrorContains(t, err, "inside a projection handler or sqltx.In, pass on the context you were given")
		require.Less(t, time.Since(began), 10*time.Second)
	})
}
