package serializer_test

import (
	"fmt"

	"github.com/tidemark-go/tidemark/serializer"
)

// ItemAdded was released with a field "qty".
type ItemAdded struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// In a test, the last lines are: require.NoError(t, serializer.Check(reg, nil)).
func ExampleCheck() {
	reg := serializer.NewRegistry(nil)
	serializer.Register[ItemAdded](reg, "basket.item_added")
	fmt.Println(serializer.Check(reg, nil))
	// Output:
	// serializer: basket.item_added v1 is written by serializer_test.ItemAdded otherwise than in testdata/samples/basket.item_added.v1.json, but under the same version:
	//     - qty: 1
	//     + quantity: 1
	//   If v1 was released, register the type with serializer.Version(2), add an upcaster step from v1, and run the test with TIDEMARK_SAMPLES=new.
	//   If v1 was not released, remove that file and run it with TIDEMARK_SAMPLES=new.
}
