package upcaster_test

import (
	"errors"

	"github.com/tidemark-go/tidemark/upcaster"
)

type addressesChanged struct {
	Billing  string `json:"billing"`
	Delivery string `json:"delivery"`
}

type BillingAddressChanged struct {
	Address string `json:"address"`
}

type DeliveryAddressChanged struct {
	Address string `json:"address"`
}

func splitAddresses(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
	var old addressesChanged
	if err := c.Unmarshal(e.Data, &old); err != nil {
		return nil, err
	}
	billing, err := c.Marshal(&BillingAddressChanged{old.Billing})
	delivery, err2 := c.Marshal(&DeliveryAddressChanged{old.Delivery})
	return []upcaster.Event{
		{Type: upcaster.V("order.billing_address_changed", 1), Data: billing},
		{Type: upcaster.V("order.delivery_address_changed", 1), Data: delivery},
	}, errors.Join(err, err2)
}

func ExampleSplit() {
	chain, err := upcaster.New(
		upcaster.Split(upcaster.V("order.addresses_changed", 1), []upcaster.Type{
			upcaster.V("order.billing_address_changed", 1),
			upcaster.V("order.delivery_address_changed", 1),
		}, splitAddresses),
	)
	check(err)
	show(chain, upcaster.V("order.addresses_changed", 1), `{"billing":"12 High St","delivery":"3 Mill Ln"}`)
	// Output:
	// order.billing_address_changed v1 {"address":"12 High St"}
	// order.delivery_address_changed v1 {"address":"3 Mill Ln"}
}
