package eventstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

func TestOnlyLeavesEventsOutBeforeTheyAreDecoded(t *testing.T) {
	drv := memory.New()
	writer := open(t, drv, accounts(), nil)
	odd := eventstore.StreamID{Type: "account", ID: "odd"}
	mustAppend(t, writer, ada, opened{"Ada"})
	mustAppend(t, writer, odd, deposited{1})
	mustAppend(t, writer, ada, opened{"Ada again"})

	reg := serializer.NewRegistry(nil) // knows nothing of deposits
	serializer.Register[opened](reg, "account.opened")
	reader := open(t, drv, reg, nil)
	opts := &eventstore.ReadOptions{Only: func(stream eventstore.StreamID, position int64) bool {
		return stream == ada && position > 1
	}}
	page, err := reader.ReadAll(t.Context(), 0, opts)
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
	require.Equal(t, opened{"Ada again"}, page.Events[0].Payload)
	require.Equal(t, int64(3), page.Next)
	events, err := collect(reader.All(t.Context(), 0, opts))
	require.NoError(t, err)
	require.Equal(t, page.Events, events)
}

func TestTheTypesOfAStreamLeaveEventsOutBeforeTheyAreDecoded(t *testing.T) {
	drv := memory.New()
	mustAppend(t, open(t, drv, accounts(), nil), ada, opened{"Ada"}, deposited{1}, closed{}, opened{"Ada again"})
	reg := serializer.NewRegistry(nil)
	serializer.Register[opened](reg, "account.opened.v2", serializer.Alias("account.opened"))
	reader := open(t, drv, reg, nil)

	events, err := collect(reader.Stream(t.Context(), ada, &eventstore.StreamOptions{Types: []string{"account.opened.v2"}}))
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, opened{"Ada again"}, events[1].Payload)
	raw, err := collect(reader.Stream(t.Context(), ada, &eventstore.StreamOptions{Types: []string{"account.opened.v2"}, Raw: true}))
	require.NoError(t, err)
	require.Len(t, raw, 2)
	require.Equal(t, "account.opened", raw[1].Type)
}
