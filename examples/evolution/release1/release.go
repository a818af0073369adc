// Package release1 is the domain of a shop as its first release has it: an order has a customer, and a line for each
// piece, which costs some pence.
package release1

import (
	"fmt"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/serializer"
)

// Event is what happens to an order.
type Event interface{ orderEvent() }

// Placed opens an order.
type Placed struct {
	Customer string `json:"customer"`
}

// LineAdded is one piece of something.
type LineAdded struct {
	SKU   string `json:"sku"`
	Pence int64  `json:"pence"`
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
	Lines int   `json:"lines"`
	Pence int64 `json:"pence"`
}

// New returns an order that was not placed yet.
func New(id string) *Order {
	o := new(Order)
	o.Init(id, o.apply)
	return o
}

// Place opens the order.
func (o *Order) Place(customer string) { o.Record(Placed{customer}) }

// Add adds one piece.
func (o *Order) Add(sku string, pence int64) { o.Record(LineAdded{sku, pence}) }

func (o *Order) String() string { return fmt.Sprintf("%d lines, %dp", o.state.Lines, o.state.Pence) }

func (o *Order) apply(e Event) {
	if e, ok := e.(LineAdded); ok {
		o.state.Lines++
		o.state.Pence += e.Pence
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
	serializer.Register[LineAdded](reg, "order.line_added")
	serializer.Register[State](reg, "order.state")
	return reg
}
