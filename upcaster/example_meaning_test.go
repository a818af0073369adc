package upcaster_test

import (
	"encoding/json"
	"math"

	"github.com/tidemark-go/tidemark/upcaster"
)

// inPence is for discounts from when they were a fraction of pounds.
func inPence(fields map[string]any) error {
	pounds, err := fields["amount"].(json.Number).Float64()
	fields["amount"] = int64(math.Round(100 * pounds))
	return err
}

// The field keeps its name and its type, and means something else.
func ExampleMap_meaning() {
	chain, err := upcaster.New(
		upcaster.Map(upcaster.V("order.discounted", 1), upcaster.V("order.discounted", 2), inPence),
	)
	check(err)
	show(chain, upcaster.V("order.discounted", 1), `{"amount":2.5}`)
	// Output: order.discounted v2 {"amount":250}
}
