// Package release3 is the third release: prices have a currency, and orders are opened instead of placed.
package release3

import (
	"fmt"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/examples/evolution/release2"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// Event is what happens to an order.
type Event interface{ orderEvent() }

// Opened opens an order. It was called placed before.
type Opened struct {
	Customer string `json:"customer"`
}

// LineAdded is some pieces of something, each at a price.
type LineAdded struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Price    Money  `json:"price"`
}

// Money is an amount in the smallest unit of a currency.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

func (Opened) orderEvent()    {}
func (LineAdded) orderEvent() {}

// Order is the aggregate.
type Order struct {
	aggregate.Root[Event]
	state State
}

// State is what snapshots of an order hold.
type State struct {
	Pieces int   `json:"pieces"`
	Total  Money `json:"total"`
}

// New returns an order that was not opened yet.
func New(id string) *Order {
	o := new(Order)
	o.Init(id, o.apply)
	return o
}

// Open opens the order.
func (o *Order) Open(customer string) { o.Record(Opened{customer}) }

// Add adds some pieces. All of an order's prices are in one currency.
func (o *Order) Add(sku string, quantity int, price Money) error {
	if c := o.state.Total.Currency; c != "" && c != price.Currency {
		return fmt.Errorf("the order is in %s, not in %s", c, price.Currency)
	}
	o.Record(LineAdded{sku, quantity, price})
	return nil
}

func (o *Order) String() string {
	return fmt.Sprintf("%d pieces, %d.%02d %s", o.state.Pieces, o.state.Total.Amount/100, o.state.Total.Amount%100, o.state.Total.Currency)
}

func (o *Order) apply(e Event) {
	if e, ok := e.(LineAdded); ok {
		o.state.Pieces += e.Quantity
		o.state.Total.Amount += int64(e.Quantity) * e.Price.Amount
		o.state.Total.Currency = e.Price.Currency
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
	serializer.Register[Opened](reg, "order.opened", serializer.Alias("order.placed"))
	serializer.Register[LineAdded](reg, "order.line_added", serializer.Version(3))
	serializer.Register[State](reg, "order.state", serializer.Version(3))
	return reg
}

var v = upcaster.V

// Upcasts returns the steps from what releases 1 and 2 stored. Snapshots of release 2 are carried forward.
func Upcasts() []upcaster.Step {
	return append(release2.Upcasts(),
		upcaster.Struct(v("order.line_added", 2), v("order.line_added", 3), inPounds),
		upcaster.Struct(v("order.state", 2), v("order.state", 3), stateInPounds))
}

// Downcasts returns the steps to what release 2 reads, and release 1 as well with those of release 2.
func Downcasts() []upcaster.Step {
	return []upcaster.Step{
		upcaster.Rename(v("order.opened", 1), v("order.placed", 1)),
		upcaster.Struct(v("order.line_added", 3), v("order.line_added", 2), inPence),
		upcaster.Struct(v("order.state", 3), v("order.state", 2), stateInPence),
	}
}

func inPounds(old release2.LineAdded) (LineAdded, error) {
	return LineAdded{old.SKU, old.Quantity, Money{old.Each, "GBP"}}, nil
}

func inPence(now LineAdded) (release2.LineAdded, error) {
	return release2.LineAdded{SKU: now.SKU, Quantity: now.Quantity, Each: now.Price.Amount}, onlyPounds(now.Price)
}

func stateInPounds(old release2.State) (State, error) {
	return State{old.Pieces, Money{old.Pence, "GBP"}}, nil
}

func stateInPence(now State) (release2.State, error) {
	return release2.State{Pieces: now.Pieces, Pence: now.Total.Amount}, onlyPounds(now.Total)
}

func onlyPounds(m Money) error {
	if m.Currency != "GBP" {
		return fmt.Errorf("%s has to wait until no earlier release runs", m.Currency)
	}
	return nil
}
