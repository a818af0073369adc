package serializer_test

import (
	"fmt"

	"github.com/tidemark-go/tidemark/serializer"
)

// Paid was stored as "order.payment_received" once.
type Paid struct {
	Cents int64 `json:"cents"`
}

func ExampleAlias() {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Paid](reg, "order.paid", serializer.Alias("order.payment_received"))

	event, err := reg.Decode(serializer.Encoded{
		Type: "order.payment_received", Schema: 1, ContentType: "application/json", Data: []byte(`{"cents":1999}`),
	})
	fmt.Printf("%+v %v\n", event, err)

	stored, err := reg.Encode(event)
	fmt.Println(stored.Type, err)
	// Output:
	// {Cents:1999} <nil>
	// order.paid <nil>
}
