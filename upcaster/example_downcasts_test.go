package upcaster_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

func withoutCurrency(now Placed) (placedBefore, error) {
	if now.Currency != "GBP" {
		return placedBefore{}, errors.New("orders in other currencies have to wait until every instance knows currencies")
	}
	return placedBefore{Total: now.Total}, nil
}

// Two releases run side by side on one database, and each reads what the other writes.
func ExampleNewDowncasts() {
	ctx := context.Background()
	drv := memory.New()
	order := eventstore.StreamID{Type: "order", ID: "42"}

	// The release that is being replaced. It knows version 1.
	reg := serializer.NewRegistry(nil)
	serializer.Register[placedBefore](reg, "order.placed")
	before, err := eventstore.New(drv, reg, nil)
	check(err)

	// The release that replaces it.
	reg = serializer.NewRegistry(nil)
	serializer.Register[Placed](reg, "order.placed", serializer.Version(2))
	chain, err := upcaster.New(
		upcaster.Struct(upcaster.V("order.placed", 1), upcaster.V("order.placed", 2), withCurrency),
	)
	check(err)
	down, err := upcaster.NewDowncasts(
		upcaster.Struct(upcaster.V("order.placed", 2), upcaster.V("order.placed", 1), withoutCurrency),
	)
	check(err)
	store, err := eventstore.New(drv, reg, &eventstore.Options{Upcasters: chain, Downcasts: down})
	check(err)

	_, err = store.Append(ctx, order, eventstore.NoStream, eventstore.Events(Placed{Total: 1999, Currency: "GBP"})...)
	check(err)
	for _, release := range []*eventstore.Store{before, store} {
		for e, err := range release.Stream(ctx, order, nil) {
			check(err)
			fmt.Printf("%s v%d %+v\n", e.Type, e.Schema, e.Payload)
		}
	}
	_, err = store.Append(ctx, order, eventstore.Any, eventstore.Events(Placed{Total: 1999, Currency: "EUR"})...)
	fmt.Println(err != nil)
	// Output:
	// order.placed v1 {Total:1999}
	// order.placed v2 {Total:1999 Currency:GBP}
	// true
}
