package upcaster_test

import "github.com/tidemark-go/tidemark/upcaster"

// Two events turned out to be one.
func ExampleRename() {
	chain, err := upcaster.New(
		upcaster.Rename(upcaster.V("order.paid_by_card", 1), upcaster.V("order.paid", 1)),
		upcaster.Rename(upcaster.V("order.paid_in_cash", 1), upcaster.V("order.paid", 1)),
	)
	check(err)
	show(chain, upcaster.V("order.paid_by_card", 1), `{"cents":1999}`)
	show(chain, upcaster.V("order.paid_in_cash", 1), `{"cents":500}`)
	// Output:
	// order.paid v1 {"cents":1999}
	// order.paid v1 {"cents":500}
}
