package upcaster_test

import (
	"fmt"

	"github.com/tidemark-go/tidemark/upcaster"
)

// The step from version 2 to 3 was forgotten.
func ExampleNew() {
	_, err := upcaster.New(
		upcaster.Rename(upcaster.V("order.placed", 1), upcaster.V("order.placed", 2)),
		upcaster.Rename(upcaster.V("order.placed", 3), upcaster.V("order.placed", 4)),
	)
	fmt.Println(err)
	// Output:
	// upcaster: a step from order.placed v2 is missing: the step from order.placed v1 to order.placed v2 ends there, but the step from order.placed v3 to order.placed v4 is about a later version
}
