package evolution_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// What the first release stored.
type (
	placed1 struct {
		Customer string
		Pounds   int64
	}
	lineAdded1        struct{ SKU, Operator string }
	addressesChanged1 struct{ Billing, Delivery string }
	viewed1           struct{ Page int }
	paidByCard1       struct{ Pence int64 }
	paidInCash1       struct {
		Pence int64
		Till  string
	}
	noted1 struct{ Text string }
	state1 struct {
		Pounds int64
		Events int
		Trail  uint32
	}
)

// What the second release stored: a line's operator is in the metadata, and there is one event of payments.
type (
	placed2 struct {
		Customer string
		Pence    int64
	}
	lineAdded2 struct {
		SKU      string
		Quantity int
	}
	billedTo1    struct{ Address string }
	deliveredTo1 struct{ Address string }
	paid1        struct {
		Pence  int64
		Method string
	}
	imported1 struct {
		Customer string
		Pence    int64
		SKUs     [2]string
	}
	commented1 struct{ Text string }
	state2     struct {
		Pence  int64
		Events int
		Trail  uint32
	}
)

// What the third release knows. These are an order's events.
type (
	money struct {
		Amount   int64
		Currency string
	}
	placed struct {
		Customer string
		Total    money
		Year     int
	}
	lineAdded struct {
		SKU      string
		Quantity int
		Operator string
		Channel  string
		Ref      string
	}
	billedTo    struct{ Address string }
	deliveredTo struct{ Address string }
	paid        struct {
		Amount money
		Method string
	}
	commented struct{ Text string }
	state     struct {
		Total  money
		Events int
		Trail  uint32
	}
)

// registry1, registry2 and registry3 are those of the releases, writing by a codec.
func registry1(codec serializer.Codec) *serializer.Registry {
	reg := serializer.NewRegistry(&serializer.Options{Codec: codec})
	serializer.Register[placed1](reg, "order.placed")
	serializer.Register[lineAdded1](reg, "order.line_added")
	serializer.Register[addressesChanged1](reg, "order.addresses_changed")
	serializer.Register[viewed1](reg, "order.viewed")
	serializer.Register[paidByCard1](reg, "order.paid_by_card")
	serializer.Register[paidInCash1](reg, "order.paid_in_cash")
	serializer.Register[noted1](reg, "order.noted")
	serializer.Register[state1](reg, "order.state")
	return reg
}

func registry2(codec serializer.Codec) *serializer.Registry {
	reg := serializer.NewRegistry(&serializer.Options{Codec: codec})
	serializer.Register[placed2](reg, "order.placed", serializer.Version(2))
	serializer.Register[lineAdded2](reg, "order.line_added", serializer.Version(2))
	serializer.Register[billedTo1](reg, "order.billed_to")
	serializer.Register[deliveredTo1](reg, "order.delivered_to")
	serializer.Register[paid1](reg, "order.paid")
	serializer.Register[imported1](reg, "order.imported")
	serializer.Register[commented1](reg, "order.commented", serializer.Alias("order.noted"))
	serializer.Register[state2](reg, "order.state", serializer.Version(2))
	return reg
}

func registry3(codec serializer.Codec) *serializer.Registry {
	reg := serializer.NewRegistry(&serializer.Options{Codec: codec, Codecs: []serializer.Codec{gobCodec{}}})
	serializer.Register[placed](reg, "order.placed", serializer.Version(3))
	serializer.Register[lineAdded](reg, "order.line_added", serializer.Version(3))
	serializer.Register[billedTo](reg, "order.billed_to")
	serializer.Register[deliveredTo](reg, "order.delivered_to")
	serializer.Register[paid](reg, "order.paid", serializer.Version(2))
	serializer.Register[commented](reg, "order.commented", serializer.Alias("order.noted"))
	serializer.Register[state](reg, "order.state", serializer.Version(3))
	return reg
}

var v = upcaster.V

// steps are all that the third release has.
func steps(t testing.TB) *upcaster.Chain {
	chain, err := upcaster.New(
		upcaster.Struct(v("order.placed", 1), v("order.placed", 2), func(old placed1) (placed2, error) {
			return placed2{old.Customer, 100 * old.Pounds}, nil
		}),
		upcaster.StructWith(v("order.placed", 2), v("order.placed", 3), func(e *upcaster.Event, old placed2) (placed, error) {
			return placed{old.Customer, money{old.Pence, "GBP"}, e.RecordedAt.Year()}, nil
		}),
		upcaster.StructWith(v("order.line_added", 1), v("order.line_added", 2), func(e *upcaster.Event, old lineAdded1) (lineAdded2, error) {
			e.Metadata["operator"] = old.Operator
			return lineAdded2{old.SKU, 1}, nil
		}),
		upcaster.StructWith(v("order.line_added", 2), v("order.line_added", 3), func(e *upcaster.Event, old lineAdded2) (lineAdded, error) {
			return lineAdded{old.SKU, old.Quantity, e.Metadata["operator"], e.Tags[0], e.StreamID + e.ID.String()}, nil
		}),
		upcaster.Split(v("order.addresses_changed", 1), []upcaster.Type{v("order.billed_to", 1), v("order.delivered_to", 1)},
			splitAddresses),
		upcaster.Drop(v("order.viewed", 1)),
		upcaster.Struct(v("order.paid_by_card", 1), v("order.paid", 1), func(old paidByCard1) (paid1, error) {
			return paid1{old.Pence, "card"}, nil
		}),
		upcaster.Struct(v("order.paid_in_cash", 1), v("order.paid", 1), func(old paidInCash1) (paid1, error) {
			return paid1{old.Pence, "cash at " + old.Till}, nil
		}),
		upcaster.Struct(v("order.paid", 1), v("order.paid", 2), func(old paid1) (paid, error) {
			return paid{money{old.Pence, "GBP"}, old.Method}, nil
		}),
		upcaster.Split(v("order.imported", 1), []upcaster.Type{v("order.placed", 2), v("order.viewed", 1), v("order.line_added", 2)},
			splitImport),
		upcaster.Struct(v("order.state", 1), v("order.state", 2), func(old state1) (state2, error) {
			return state2{100 * old.Pounds, old.Events, old.Trail}, nil
		}),
		upcaster.Struct(v("order.state", 2), v("order.state", 3), func(old state2) (state, error) {
			return state{money{old.Pence, "GBP"}, old.Events, old.Trail}, nil
		}),
	)
	require.NoError(t, err)
	return chain
}

func splitAddresses(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
	var old addressesChanged1
	if err := c.Unmarshal(e.Data, &old); err != nil {
		return nil, err
	}
	billed, err1 := c.Marshal(&billedTo1{old.Billing})
	delivered, err2 := c.Marshal(&deliveredTo1{old.Delivery})
	return []upcaster.Event{
		{Type: v("order.billed_to", 1), Data: billed}, {Type: v("order.delivered_to", 1), Data: delivered},
	}, errors.Join(err1, err2)
}

// splitImport makes an order and its two lines of an import, with something in between that is dropped.
func splitImport(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
	var old imported1
	if err := c.Unmarshal(e.Data, &old); err != nil {
		return nil, err
	}
	order, err1 := c.Marshal(&placed2{old.Customer, old.Pence})
	first, err2 := c.Marshal(&lineAdded2{old.SKUs[0], 1})
	second, err3 := c.Marshal(&lineAdded2{old.SKUs[1], 1})
	return []upcaster.Event{{Type: v("order.placed", 2), Data: order}, {Type: v("order.line_added", 2), Data: first},
		{Type: v("order.viewed", 1)}, {Type: v("order.line_added", 2), Data: second}}, errors.Join(err1, err2, err3)
}

// back has the third release write payments, comments and states as the second reads them.
func back(t testing.TB) *upcaster.Downcasts {
	down, err := upcaster.NewDowncasts(
		upcaster.Struct(v("order.paid", 2), v("order.paid", 1), func(now paid) (paid1, error) {
			return paid1{now.Amount.Amount, now.Method}, nil
		}),
		upcaster.Rename(v("order.commented", 1), v("order.noted", 1)),
		upcaster.Struct(v("order.state", 3), v("order.state", 2), func(now state) (state2, error) {
			return state2{now.Total.Amount, now.Events, now.Trail}, nil
		}),
	)
	require.NoError(t, err)
	return down
}

// gobCodec is as unlike JSON as a codec can be.
type gobCodec struct{}

func (gobCodec) ContentType() string { return "application/x-gob" }

func (gobCodec) Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func (gobCodec) Unmarshal(data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}
