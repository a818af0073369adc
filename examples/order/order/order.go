// Package order is an order desk as its users would write it: events, an aggregate whose commands decide, and the schema
// under which they are stored. It knows nothing of databases.
package order

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/aggregate"
)

// Status is how far an order has come.
type Status string

// An order is new until it is placed, and then takes lines until it is paid. What is shipped can't be cancelled.
const (
	StatusNew       Status = "new"
	StatusOpen      Status = "open"
	StatusPaid      Status = "paid"
	StatusShipped   Status = "shipped"
	StatusCancelled Status = "cancelled"
)

// Order is the aggregate: what one customer ordered at one time, or brought back.
type Order struct {
	aggregate.Root[Event]
	state State
}

// State is what an order's decisions depend on, and no more: when it was placed, for one, plays no part.
type State struct {
	Status Status
	Total  Money
	// Lines holds every line that the order has ever known, so that no ID is taken twice. What was removed has quantity
	// 0, what came back a negative one.
	Lines []Line
	To    Address
}

// New returns the order of that number, as it is before it is placed.
func New(id string) *Order {
	o := &Order{state: State{Status: StatusNew}}
	o.Init(id, o.apply)
	return o
}

// Status returns how far the order has come.
func (o *Order) Status() Status { return o.state.Status }

// Total returns what the order costs. It is negative where goods came back.
func (o *Order) Total() Money { return o.state.Total }

// To returns where the order goes.
func (o *Order) To() Address { return o.state.To }

// Knows reports whether a line of that ID was ever added or returned.
func (o *Order) Knows(lineID string) bool { return o.find(lineID) >= 0 }

// Place opens the order. A guest has no customer number. at is when the customer ordered, in the shop's time.
func (o *Order) Place(customer, country string, at time.Time) error {
	if err := o.must(StatusNew); err != nil {
		return err
	}
	if country == "" {
		return ErrNoCountry
	}
	o.Record(Placed{Customer: customer, Country: country, At: at})
	return nil
}

// AddLine adds goods to an open order. A line whose ID the order knows already changes nothing, so that a command that
// arrives twice counts once.
func (o *Order) AddLine(l Line) error {
	if o.Knows(l.ID) {
		return nil
	}
	if err := o.mayTake(l); err != nil {
		return err
	}
	if o.has(Line.isReturned) {
		return ErrMixed
	}
	o.Record(LineAdded{l})
	return nil
}

// RemoveLine takes a line off an open order.
func (o *Order) RemoveLine(id string) error {
	if err := o.must(StatusOpen); err != nil {
		return err
	}
	i := o.find(id)
	if i < 0 || !o.state.Lines[i].isSold() {
		return fmt.Errorf("%w: %s", ErrNoSuchLine, id)
	}
	o.Record(LineRemoved{o.state.Lines[i]})
	return nil
}

// Return takes goods back. Customers send them with a form that names no order, so each return opens an order of its own,
// on which nothing is sold. Like AddLine, it takes the same line once.
func (o *Order) Return(l Line) error {
	if o.Knows(l.ID) {
		return nil
	}
	if err := o.mayTake(l); err != nil {
		return err
	}
	if o.has(Line.isSold) {
		return ErrMixed
	}
	o.Record(LineReturned{l})
	return nil
}

// Pay takes the customer's payment, which must be the order's total.
func (o *Order) Pay(amount Money) error {
	if err := o.must(StatusOpen); err != nil {
		return err
	}
	if amount != o.state.Total || amount <= 0 {
		return fmt.Errorf("%w: %v was paid, the order costs %v", ErrAmount, amount, o.state.Total)
	}
	o.Record(Paid{Amount: amount})
	return nil
}

// Ship hands a paid order to a carrier.
func (o *Order) Ship(carrier string) error {
	if err := o.must(StatusPaid); err != nil {
		return err
	}
	o.Record(Shipped{Carrier: carrier})
	return nil
}

// Cancel gives up an order that is not shipped yet, paid or not.
func (o *Order) Cancel(reason string) error {
	if err := o.must(StatusOpen, StatusPaid); err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(o.state.Lines), Line.isRemoved)
	o.Record(Cancelled{Reason: reason, Lines: left})
	return nil
}

// apply is the only place where an order changes, for new events and for those that are loaded.
func (o *Order) apply(e Event) {
	s := &o.state
	switch e := e.(type) {
	case Placed:
		s.Status = StatusOpen
	case Addressed:
		s.To = e.Address
	case LineAdded:
		s.Lines = append(s.Lines, e.Line)
		s.Total += e.Amount()
	case LineRemoved:
		s.Lines[o.find(e.ID)].Quantity = 0
		s.Total -= e.Amount()
	case LineReturned:
		e.Quantity = -e.Quantity
		s.Lines = append(s.Lines, e.Line)
		s.Total += e.Amount()
	case Paid:
		s.Status = StatusPaid
	case Shipped:
		s.Status = StatusShipped
	case Cancelled:
		s.Status = StatusCancelled
		s.Total = 0
	}
}

func (o *Order) must(be ...Status) error {
	if slices.Contains(be, o.state.Status) {
		return nil
	}
	return fmt.Errorf("%w: it is %s, not %s", ErrStatus, o.state.Status, be[0])
}

func (o *Order) mayTake(l Line) error {
	if err := o.must(StatusOpen); err != nil {
		return err
	}
	return l.check()
}

func (o *Order) find(id string) int {
	return slices.IndexFunc(o.state.Lines, func(l Line) bool { return l.ID == id })
}

func (o *Order) has(kind func(Line) bool) bool { return slices.ContainsFunc(o.state.Lines, kind) }
