package projectiontest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/projection/projectiontest"
)

// In a test, t is the *testing.T.
func Example() {
	var t testing.T
	total := 0
	p := projection.New("revenue", nil)
	projection.On(p, func(_ context.Context, e projection.Event[paid]) error { total += e.Payload.Cents; return nil })
	projection.On(p, func(_ context.Context, e projection.Event[refunded]) error { total -= e.Payload.Cents; return nil })

	f := projectiontest.New(&t, registry(), p)
	f.Feed(context.Background(), order("42"), paid{Cents: 1999}, shipped{}, refunded{Cents: 499})
	fmt.Println(total)
	// Output: 1500
}
