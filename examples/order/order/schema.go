package order

import (
	"math"

	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// StreamType is the type of the streams that orders are kept in.
const StreamType = "order"

// Registry returns the names and schema versions under which orders are stored. A name never changes its meaning; the Go
// types may be renamed at will.
func Registry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Placed](reg, "order.placed")
	serializer.Register[Addressed](reg, "order.addressed")
	serializer.Register[LineAdded](reg, "order.line_added", serializer.Version(2))
	serializer.Register[LineRemoved](reg, "order.line_removed")
	serializer.Register[LineReturned](reg, "order.line_returned")
	serializer.Register[Paid](reg, "order.paid")
	serializer.Register[Shipped](reg, "order.shipped")
	serializer.Register[Cancelled](reg, "order.cancelled")
	serializer.Register[State](reg, "order.state") // of the snapshots
	return reg
}

// Upcasters returns the steps that carry events of older schema versions forward.
func Upcasters() (*upcaster.Chain, error) {
	return upcaster.New(
		upcaster.Struct(upcaster.V("order.line_added", 1), upcaster.V("order.line_added", 2), exactPrice),
	)
}

// lineAddedV1 is order.line_added as it was stored at first, with a price in pounds whose binary fractions added up to
// totals that were a penny off.
type lineAddedV1 struct {
	ID          string  `json:"id"`
	SKU         string  `json:"sku"`
	Description string  `json:"description,omitempty"`
	Quantity    int     `json:"quantity"`
	Price       float64 `json:"price"`
}

func exactPrice(old lineAddedV1) (LineAdded, error) {
	return LineAdded{Line{ID: old.ID, SKU: old.SKU, Description: old.Description, Quantity: old.Quantity,
		Price: Money(math.Round(1000 * old.Price))}}, nil
}
