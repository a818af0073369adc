package upcaster_test

import (
	"fmt"

	"github.com/tidemark-go/tidemark/upcaster"
)

func ExampleDrop() {
	chain, err := upcaster.New(
		upcaster.Drop(upcaster.V("order.viewed", 1)),
	)
	check(err)
	show(chain, upcaster.V("order.viewed", 1), `{}`)
	fmt.Println("nothing was printed")
	// Output: nothing was printed
}
