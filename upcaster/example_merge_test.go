package upcaster_test

import "github.com/tidemark-go/tidemark/upcaster"

// Refunded is one event today. It was two with different payloads.
type Refunded struct {
	Cents  int64  `json:"cents"`
	Method string `json:"method"`
}

type refundedByCard struct {
	Cents int64 `json:"cents"`
}

type refundedInCash struct {
	Cents int64  `json:"cents"`
	Till  string `json:"till"`
}

func fromCard(old refundedByCard) (Refunded, error) { return Refunded{old.Cents, "card"}, nil }

func fromCash(old refundedInCash) (Refunded, error) {
	return Refunded{old.Cents, "till " + old.Till}, nil
}

func ExampleStruct_merge() {
	chain, err := upcaster.New(
		upcaster.Struct(upcaster.V("order.refunded_by_card", 1), upcaster.V("order.refunded", 1), fromCard),
		upcaster.Struct(upcaster.V("order.refunded_in_cash", 1), upcaster.V("order.refunded", 1), fromCash),
	)
	check(err)
	show(chain, upcaster.V("order.refunded_by_card", 1), `{"cents":1999}`)
	show(chain, upcaster.V("order.refunded_in_cash", 1), `{"cents":500,"till":"7"}`)
	// Output:
	// order.refunded v1 {"cents":1999,"method":"card"}
	// order.refunded v1 {"cents":500,"method":"till 7"}
}
