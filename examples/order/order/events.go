package order

import (
	"cmp"
	"fmt"
	"time"
)

// Event is what an order can record. The unexported method closes the set: the compiler knows all of them.
type Event interface{ orderEvent() }

// Events say what happened, in the past tense, with all that a reader needs to act on them: a removed line's price, for
// one, so that nobody has to look it up.
type (
	// Placed opened the order.
	Placed struct {
		Customer string    `json:"customer,omitempty"` // none for a guest
		Country  string    `json:"country"`
		At       time.Time `json:"at"`
	}
	// LineAdded put goods on the order.
	LineAdded struct{ Line }
	// LineRemoved took a line off it again.
	LineRemoved struct{ Line }
	// LineReturned took goods back.
	LineReturned struct{ Line }
	// Paid settled the order.
	Paid struct {
		Amount Money `json:"amount"`
	}
	// Shipped handed it to a carrier.
	Shipped struct {
		Carrier string `json:"carrier"`
	}
	// Cancelled gave it up, with the lines that it had.
	Cancelled struct {
		Reason string `json:"reason"`
		Lines  []Line `json:"lines"`
	}
)

func (Placed) orderEvent()       {}
func (LineAdded) orderEvent()    {}
func (LineRemoved) orderEvent()  {}
func (LineReturned) orderEvent() {}
func (Paid) orderEvent()         {}
func (Shipped) orderEvent()      {}
func (Cancelled) orderEvent()    {}

// String describes the event to a reader of the order's history.
func (e Placed) String() string {
	return fmt.Sprintf("%s, %s, on %s", cmp.Or(e.Customer, "a guest"), e.Country, e.At.Format(time.DateTime))
}

// String describes the event to a reader of the order's history.
func (e Paid) String() string { return e.Amount.String() }

// String describes the event to a reader of the order's history.
func (e Shipped) String() string { return "by " + e.Carrier }

// String describes the event to a reader of the order's history.
func (e Cancelled) String() string { return fmt.Sprintf("%s; %d lines", e.Reason, len(e.Lines)) }
