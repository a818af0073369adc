package upcaster_test

import "github.com/tidemark-go/tidemark/upcaster"

func renameQuantity(fields map[string]any) error {
	fields["quantity"] = fields["qty"]
	delete(fields, "qty")
	return nil
}

func ExampleMap() {
	chain, err := upcaster.New(
		upcaster.Map(upcaster.V("order.line_added", 1), upcaster.V("order.line_added", 2), renameQuantity),
	)
	check(err)
	show(chain, upcaster.V("order.line_added", 1), `{"sku":"mug","qty":2}`)
	// Output: order.line_added v2 {"quantity":2,"sku":"mug"}
}
