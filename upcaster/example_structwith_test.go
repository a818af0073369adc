package upcaster_test

import (
	"time"

	"github.com/tidemark-go/tidemark/upcaster"
)

// Shipped says when the parcel left. In version 1 that was the moment in which it was recorded.
type Shipped struct {
	Carrier string    `json:"carrier"`
	At      time.Time `json:"at"`
}

type shippedBefore struct {
	Carrier string `json:"carrier"`
}

func whenRecorded(e *upcaster.Event, old shippedBefore) (Shipped, error) {
	return Shipped{Carrier: old.Carrier, At: e.RecordedAt}, nil
}

func ExampleStructWith() {
	chain, err := upcaster.New(
		upcaster.StructWith(upcaster.V("order.shipped", 1), upcaster.V("order.shipped", 2), whenRecorded),
	)
	check(err)
	show(chain, upcaster.V("order.shipped", 1), `{"carrier":"post"}`)
	// Output: order.shipped v2 {"carrier":"post","at":"2024-02-29T12:00:00Z"}
}
