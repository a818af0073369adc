// Package release2 is the second release: a line has a quantity.
package release2

import (
	"encoding/json"
	"fmt"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// Event is what happens to an order.
type Event interface{ orderEvent() }

// Placed opens an order.
type Placed struct {
	Customer string `json:"customer"`
}

// LineAdded is some pieces of something, which cost so many pence each.
type LineAdded struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Each     int64  `json:"each"`
}

func (Placed) orderEvent()    {}
func (LineAdded) orderEvent() {}

// Order is the aggregate.
type Order struct {
	aggregate.Root[Event]
	state State
}

// State is what snapshots of an order hold.
type State struct {
	Pieces int   `json:"pieces"`
	Pence  int64 `json:"pence"`
}

// New returns an order that was not placed yet.
func New(id string) *Order {
	o := new(Order)
	o.Init(id, o.apply)
	return o
}

// Place opens the order.
func (o *Order) Place(customer string) { o.Record(Placed{customer}) }

// Add adds some pieces.
func (o *Order) Add(sku string, quantity int, each int64) { o.Record(LineAdded{sku, quantity, each}) }

func (o *Order) String() string { return fmt.Sprintf("%d pieces, %dp", o.state.Pieces, o.state.Pence) }

func (o *Order) apply(e Event) {
	if e, ok := e.(LineAdded); ok {
		o.state.Pieces += e.Quantity
		o.state.Pence += int64(e.Quantity) * e.Each
	}
}

// Snapshot implements aggregate.Snapshotter.
func (o *Order) Snapshot() (any, error) { return o.state, nil }

// Restore implements aggregate.Snapshotter.
func (o *Order) Restore(state any) (err error) {
	var ok bool
	if o.state, ok = state.(State); !ok {
		err = fmt.Errorf("an order can't be restored from a %T", state)
	}
	return err
}

// Registry returns the names and versions under which this release stores things.
func Registry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Placed](reg, "order.placed")
	serializer.Register[LineAdded](reg, "order.line_added", serializer.Version(2))
	serializer.Register[State](reg, "order.state", serializer.Version(2))
	return reg
}

var (
	line1 = upcaster.V("order.line_added", 1)
	line2 = upcaster.V("order.line_added", 2)
)

// Upcasts returns the steps from what release 1 stored. Its snapshots have none: orders in them are replayed.
func Upcasts() []upcaster.Step { return []upcaster.Step{upcaster.Map(line1, line2, withQuantity)} }

// Downcasts returns the steps to what release 1 reads.
func Downcasts() []upcaster.Step { return []upcaster.Step{upcaster.Map(line2, line1, withPence)} }

func withQuantity(fields map[string]any) error {
	if fields["quantity"] == nil { // else it is a line of this release, for release 1 to read
		fields["quantity"], fields["each"] = 1, fields["pence"]
	}
	delete(fields, "pence")
	return nil
}

// withPence keeps the new fields, which release 1 ignores, beside the old one.
func withPence(fields map[string]any) error {
	quantity, err := fields["quantity"].(json.Number).Int64()
	if err != nil {
		return err
	}
	each, err := fields["each"].(json.Number).Int64()
	fields["pence"] = quantity * each
	return err
}
