package serializer_test

import (
	"fmt"

	"github.com/tidemark-go/tidemark/serializer"
)

// OrderEvent is what all events of an order implement.
type OrderEvent interface{ orderEvent() }

// Placed is stored as "order.placed". The name of the Go type, and the package it is in, may change.
type Placed struct {
	Customer string `json:"customer"`
}

// LineAdded is stored as "order.line_added", in its second schema version.
type LineAdded struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

func (Placed) orderEvent()    {}
func (LineAdded) orderEvent() {}

func Example() {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Placed](reg, "order.placed")
	serializer.Register[LineAdded](reg, "order.line_added", serializer.Version(2))
	if err := reg.Err(); err != nil { // eventstore.New asks for it too
		fmt.Println(err)
	}

	stored, err := reg.Encode(LineAdded{SKU: "mug", Quantity: 2})
	fmt.Printf("%s v%d %s %s %v\n", stored.Type, stored.Schema, stored.ContentType, stored.Data, err)

	event, err := reg.Decode(stored)
	fmt.Printf("%#v %v\n", event, err)

	fmt.Println(serializer.Names[OrderEvent](reg))
	// Output:
	// order.line_added v2 application/json {"sku":"mug","quantity":2} <nil>
	// serializer_test.LineAdded{SKU:"mug", Quantity:2} <nil>
	// [order.line_added order.placed]
}

// Mistakes are kept while a program registers its types and reported together.
func ExampleRegistry_Err() {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Placed](reg, "order.placed")
	serializer.Register[LineAdded](reg, "order.placed", serializer.Version(0))
	serializer.Register[OrderEvent](reg, "order.event")
	fmt.Println(reg.Err())
	// Output:
	// serializer: register "order.placed" for serializer_test.LineAdded: schema version 0 is below 1
	// serializer: register "order.placed" for serializer_test.LineAdded: name "order.placed" is taken by serializer_test.Placed
	// serializer: register "order.event" for serializer_test.OrderEvent: it is an interface; register the types that implement it
}
