package projectiontest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/projection/projectiontest"
	"github.com/tidemark-go/tidemark/serializer"
)

type (
	paid     struct{ Cents int }
	refunded struct{ Cents int }
	shipped  struct{}
)

func registry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[paid](reg, "order.paid")
	serializer.Register[refunded](reg, "order.refunded")
	serializer.Register[shipped](reg, "order.shipped")
	return reg
}

var errNegative = errors.New("a negative payment")

func order(id string) eventstore.StreamID { return eventstore.StreamID{Type: "order", ID: id} }

// revenue is a read model, of one total for each version.
type revenue struct {
	cents map[int]int
	mails []int64
	seen  []eventstore.Event
}

func (r *revenue) projection() *projection.Projection {
	p := projection.New("revenue", &projection.Options{StreamTypes: []string{"order"}})
	projection.On(p, func(ctx context.Context, e projection.Event[paid]) error {
		if e.Payload.Cents < 0 {
			return errNegative
		}
		r.cents[projection.Version(ctx)] += e.Payload.Cents
		r.seen = append(r.seen, e.Event)
		return nil
	})
	projection.SideEffect(p, func(_ context.Context, e projection.Event[any]) error {
		r.mails = append(r.mails, e.Position)
		return nil
	})
	return p
}

func newRevenue() *revenue { return &revenue{cents: map[int]int{}} }

func TestFeedHandsEventsToTheHandlersAsALogWould(t *testing.T) {
	r := newRevenue()
	at := time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)
	f := projectiontest.NewWith(t, registry(), r.projection(), &eventstore.Options{Now: func() time.Time { return at }})
	f.Feed(t.Context(), order("1"), paid{1999}, shipped{})
	f.Feed(t.Context(), order("2"), paid{1})
	f.Feed(t.Context(), order("1"), paid{5})
	f.Feed(t.Context(), eventstore.StreamID{Type: "invoice", ID: "1"}, paid{1000})
	require.Equal(t, map[int]int{1: 2005}, r.cents)
	require.Equal(t, []int64{1, 2, 3, 4}, r.mails)
	last := r.seen[2]
	require.Equal(t, order("1"), last.Stream)
	require.Equal(t, int64(3), last.Version)
	require.Equal(t, int64(4), last.Position)
	require.Equal(t, at, last.RecordedAt)
	require.JSONEq(t, `{"Cents":5}`, string(last.Raw))
}

func TestTryReturnsTheHandlersErrorAndGoesOnBehindIt(t *testing.T) {
	r := newRevenue()
	f := projectiontest.New(t, registry(), r.projection())
	require.ErrorIs(t, f.Try(t.Context(), order("1"), paid{-1}), errNegative)
	require.NoError(t, f.Try(t.Context(), order("1"), paid{1}))
	require.Equal(t, map[int]int{1: 1}, r.cents)
}

func TestAgainHandsTheLastBatchOutOnceMore(t *testing.T) {
	r := newRevenue()
	f := projectiontest.New(t, registry(), r.projection())
	f.Feed(t.Context(), order("1"), paid{1})
	f.Feed(t.Context(), order("1"), paid{10}, paid{100})
	f.Again(t.Context())
	require.Equal(t, map[int]int{1: 221}, r.cents)
	require.Equal(t, []int64{1, 2, 3, 2, 3}, r.mails)
}

func TestARebuildIsSilentAndHasItsVersion(t *testing.T) {
	r := newRevenue()
	f := projectiontest.New(t, registry(), r.projection())
	f.Feed(t.Context(), order("1"), paid{1})
	f.Rebuild(2)
	f.Feed(t.Context(), order("1"), paid{10})
	f.Switch(2)
	f.Feed(t.Context(), order("1"), paid{100})
	require.Equal(t, map[int]int{1: 1, 2: 110}, r.cents)
	require.Equal(t, []int64{1, 3}, r.mails)
}

// fatal is a test that fails.
type fatal struct{ message string }

func (*fatal) Helper() {}

func (f *fatal) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(f)
}

func failure(t *testing.T, f func(tb projectiontest.TB)) string {
	t.Helper()
	tb := new(fatal)
	require.PanicsWithValue(t, tb, func() { f(tb) })
	return tb.message
}

func TestTheTestFailsAtMistakes(t *testing.T) {
	require.Equal(t, `projectiontest: it has no handler: give it some with On or OnBatch`,
		failure(t, func(tb projectiontest.TB) { projectiontest.New(tb, registry(), projection.New("idle", nil)) }))
	require.Contains(t, failure(t, func(tb projectiontest.TB) {
		projectiontest.New(tb, serializer.NewRegistry(nil), newRevenue().projection())
	}), "no registered type is one")
	require.Contains(t, failure(t, func(tb projectiontest.TB) {
		projectiontest.New(tb, registry(), newRevenue().projection()).Feed(t.Context(), order("1"), paid{-1})
	}), "a negative payment")
	require.Contains(t, failure(t, func(tb projectiontest.TB) {
		projectiontest.New(tb, registry(), newRevenue().projection()).Feed(t.Context(), order("1"), struct{}{})
	}), "not registered")
}
