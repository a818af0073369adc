package aggregatetest_test

import (
	"fmt"
	"strings"

	"github.com/tidemark-go/tidemark/aggregate/aggregatetest"
)

// printer stands for the *testing.T that a test would pass.
type printer struct{}

func (printer) Helper() {}

func (printer) Fatalf(format string, args ...any) {
	fmt.Println(strings.ReplaceAll(fmt.Sprintf(format, args...), "aggregatetest_test.", ""))
}

func Example() {
	var t printer

	aggregatetest.Given(t, newCart("1"), opened{Customer: "ann"}).
		When(func(c *cart) error { return c.add("mug", 2) }).
		Then(added{SKU: "mug", Quantity: 2})

	aggregatetest.Given(t, newCart("2")).
		When(func(c *cart) error { return c.add("mug", 2) }).
		ThenError(errClosed)

	aggregatetest.Given(t, newCart("3"), opened{Customer: "ann"}).
		When(func(c *cart) error { return c.add("mug", 2) }).
		Then(added{SKU: "mug", Quantity: 1})
	// Output:
	// the command recorded other events (- expected, + recorded):
	//   added {
	//     "sku": "mug",
	// -   "quantity": 1
	// +   "quantity": 2
	//   }
}
