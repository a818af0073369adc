package order

import "fmt"

// Address is where an order goes. Who lives there is nobody else's business: it is stored under the customer's own key, and
// without that key reads as the fallbacks. The customer's number stays, so it must not tell who that is.
type Address struct {
	Customer string `json:"customer" privacy:"subject"`
	Name     string `json:"name" privacy:"personal,fallback=[forgotten]"`
	Street   string `json:"street" privacy:"personal,fallback=[forgotten]"`
}

// String returns the address as it stands on a parcel.
func (a Address) String() string { return fmt.Sprintf("%s, %s", a.Name, a.Street) }

// Addressed said where the order goes.
type Addressed struct{ Address }

func (Addressed) orderEvent() {}

// SendTo says where an open or paid order goes. The same address again changes nothing.
func (o *Order) SendTo(a Address) error {
	if err := o.must(StatusOpen, StatusPaid); err != nil {
		return err
	}
	if a.Customer == "" || a.Name == "" || a.Street == "" {
		return ErrNoAddress
	}
	if a != o.state.To {
		o.Record(Addressed{a})
	}
	return nil
}
