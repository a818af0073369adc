package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
)

// lineAddedThen is what the first version of the program stored as order.line_added.
type lineAddedThen struct {
	ID       string  `json:"id"`
	SKU      string  `json:"sku"`
	Quantity int     `json:"quantity"`
	Price    float64 `json:"price"`
}

func TestOrdersOfTheFirstVersionAreReadWithExactPrices(t *testing.T) {
	drv := memory.New()
	then := serializer.NewRegistry(nil)
	serializer.Register[order.Placed](then, "order.placed")
	serializer.Register[lineAddedThen](then, "order.line_added")
	old, err := eventstore.New(drv, then, nil)
	require.NoError(t, err)
	_, err = old.Append(t.Context(), eventstore.StreamID{Type: order.StreamType, ID: "9"}, eventstore.NoStream,
		eventstore.Events(placed, lineAddedThen{"1", "21071", 3, 1.1}, lineAddedThen{"2", "22625", 3, 0.005})...)
	require.NoError(t, err)

	orders, err := repository.New(open(t, drv), order.StreamType, order.New, nil)
	require.NoError(t, err)
	o, err := orders.Update(t.Context(), "9", func(o *order.Order) error { return o.AddLine(mugs) })
	require.NoError(t, err)
	require.Equal(t, order.Money(3315), o.Total(), "the line under the ID that was stored is known")
	require.EqualValues(t, 3, o.Version())
}

func TestAnOrderFromItsSnapshotGoesOnLikeOneThatWasReplayed(t *testing.T) {
	var loads []repository.Loaded
	orders, err := repository.New(open(t, memory.New()), order.StreamType, order.New, &repository.Options{
		Snapshots: repository.EveryEvents(4),
		OnLoad:    func(l repository.Loaded) { loads = append(loads, l) },
	})
	require.NoError(t, err)
	for _, command := range []func(*order.Order) error{
		place, addMugs, dropMugs, func(o *order.Order) error { return o.AddLine(scales) },
		addMugs, pay(scales.Amount()), ship,
	} {
		_, err := orders.Update(t.Context(), "9", command)
		require.NoError(t, err)
	}
	o, err := orders.Load(t.Context(), "9")
	require.NoError(t, err)
	require.Equal(t, []any{order.StatusShipped, scales.Amount(), int64(6)}, []any{o.Status(), o.Total(), o.Version()})
	last := loads[len(loads)-1]
	require.Equal(t, []any{int64(4), 2}, []any{last.SnapshotVersion, last.Replayed})

	t.Run("and refuses a state that is not its own", func(t *testing.T) {
		require.EqualError(t, order.New("9").Restore("half an order"), "an order can't be restored from a string")
	})
}

func open(t *testing.T, drv *memory.Store) *eventstore.Store {
	t.Helper()
	chain, err := order.Upcasters()
	require.NoError(t, err)
	store, err := eventstore.New(drv, order.Registry(), &eventstore.Options{Upcasters: chain})
	require.NoError(t, err)
	return store
}
