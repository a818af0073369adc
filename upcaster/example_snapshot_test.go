package upcaster_test

import (
	"context"
	"fmt"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// OrderState is what snapshots of an order hold. It counted pounds in version 1.
type OrderState struct {
	Pence int64 `json:"pence"`
}

type orderStateBefore struct {
	Pounds int64 `json:"pounds"`
}

func stateInPence(old orderStateBefore) (OrderState, error) {
	return OrderState{Pence: 100 * old.Pounds}, nil
}

// A snapshot that last year's program took is of use to today's.
func Example_snapshot() {
	ctx := context.Background()
	drv := memory.New()
	order := eventstore.StreamID{Type: "order", ID: "42"}
	reg := serializer.NewRegistry(nil)
	serializer.Register[orderStateBefore](reg, "order.state")
	store, err := eventstore.New(drv, reg, nil)
	check(err)
	check(store.SaveSnapshot(ctx, eventstore.Snapshot{Stream: order, Version: 9, State: orderStateBefore{Pounds: 20}}))

	reg = serializer.NewRegistry(nil)
	serializer.Register[OrderState](reg, "order.state", serializer.Version(2))
	chain, err := upcaster.New(
		upcaster.Struct(upcaster.V("order.state", 1), upcaster.V("order.state", 2), stateInPence),
	)
	check(err)
	store, err = eventstore.New(drv, reg, &eventstore.Options{Upcasters: chain})
	check(err)
	snap, ok, err := store.LoadSnapshot(ctx, order)
	fmt.Println(snap.Version, snap.State, ok, err)
	// Output: 9 {2000} true <nil>
}
