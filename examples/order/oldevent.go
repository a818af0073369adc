package main

import (
	"context"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/serializer"
)

// oldLine is what the first release of the program recorded when a line was added. Its price was a number of pounds.
type oldLine struct {
	ID       string  `json:"id"`
	SKU      string  `json:"sku"`
	Quantity int     `json:"quantity"`
	Price    float64 `json:"price"`
}

// firstRelease stores an order as the first release did, with the registry that it had.
func (t *tour) firstRelease(ctx context.Context, id string) error {
	reg := serializer.NewRegistry(nil)
	serializer.Register[order.Placed](reg, "order.placed")
	serializer.Register[oldLine](reg, "order.line_added") // version 1
	store, err := eventstore.New(t.driver, reg, nil)      // shares the driver, so it is not closed
	if err != nil {
		return err
	}
	_, err = store.Append(ctx, stream(id), eventstore.NoStream, eventstore.Events(
		order.Placed{Country: "EIRE", At: time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC)},
		oldLine{ID: "1", SKU: "21071", Quantity: 3, Price: 1.1})...)
	return err
}

func (t *tour) oldEvent(ctx context.Context) error {
	id, err := t.number(ctx)
	if err != nil {
		return err
	}
	if err := t.firstRelease(ctx, id); err != nil {
		return err
	}
	t.say("Prices used to be floating point numbers, where 3 x 1.1 is 3.3000000000000003. Now they are thousandths:")
	for e, err := range t.store.Stream(ctx, stream(id), &eventstore.StreamOptions{From: 2, Raw: true}) {
		if err != nil {
			return err
		}
		t.say("   stored   %s v%d  %s", e.Type, e.Schema, e.Raw)
	}
	for e, err := range t.store.Stream(ctx, stream(id), &eventstore.StreamOptions{From: 2}) {
		if err != nil {
			return err
		}
		t.say("   read as  %s v%d  %s", e.Type, e.Schema, e.Raw)
	}
	t.say("Its exact price is what the order goes on with. Pay(3.30)")
	return t.command(ctx, id, func(o *order.Order) error { return o.Pay(order.Pence(330)) })
}
