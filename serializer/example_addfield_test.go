package serializer_test

import (
	"fmt"

	"github.com/tidemark-go/tidemark/serializer"
)

// Shipped has got the field Express, which events stored before do not have, and lost the field Weight, which some have.
type Shipped struct {
	Carrier string `json:"carrier"`
	Express bool   `json:"express"`
}

// A field can come and go without a new version where its zero value means the right thing.
func ExampleJSON() {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Shipped](reg, "order.shipped")

	event, err := reg.Decode(serializer.Encoded{
		Type: "order.shipped", Schema: 1, ContentType: "application/json", Data: []byte(`{"carrier":"post","weight":3}`),
	})
	fmt.Printf("%+v %v\n", event, err)
	// Output:
	// {Carrier:post Express:false} <nil>
}
