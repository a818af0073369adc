package upcaster_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

// This is how users test their steps.
func TestOrdersPlacedBeforeThereWereCurrenciesAreInPounds(t *testing.T) {
	chain := newChain(t,
		upcaster.Struct(upcaster.V("order.placed", 1), upcaster.V("order.placed", 2), withCurrency),
	)
	events, err := chain.Upcast(upcaster.Event{
		Type:        upcaster.V("order.placed", 1),
		ContentType: "application/json",
		Data:        []byte(`{"total":1999}`), // copied from the database
	}, codec)
	require.NoError(t, err)
	require.JSONEq(t, `{"total":1999,"currency":"GBP"}`, string(events[0].Data))
}
