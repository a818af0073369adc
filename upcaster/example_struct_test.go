package upcaster_test

import "github.com/tidemark-go/tidemark/upcaster"

// Placed got a currency in version 2.
type Placed struct {
	Total    int64  `json:"total"`
	Currency string `json:"currency"`
}

// placedBefore is Placed as it was in version 1.
type placedBefore struct {
	Total int64 `json:"total"`
}

func withCurrency(old placedBefore) (Placed, error) {
	return Placed{Total: old.Total, Currency: "GBP"}, nil
}

func ExampleStruct() {
	chain, err := upcaster.New(
		upcaster.Struct(upcaster.V("order.placed", 1), upcaster.V("order.placed", 2), withCurrency),
	)
	check(err)
	show(chain, upcaster.V("order.placed", 1), `{"total":1999}`)
	// Output: order.placed v2 {"total":1999,"currency":"GBP"}
}
