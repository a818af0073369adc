package eventstore_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

type opened struct{ Owner string }

type deposited struct{ Amount int }

type closed struct{}

func accounts() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[opened](reg, "account.opened")
	serializer.Register[deposited](reg, "account.deposited")
	serializer.Register[closed](reg, "account.closed")
	return reg
}

var ada = eventstore.StreamID{Type: "account", ID: "ada"}

func open(t *testing.T, d driver.Store, reg *serializer.Registry, opts *eventstore.Options) *eventstore.Store {
	t.Helper()
	store, err := eventstore.New(d, reg, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func openMemory(t *testing.T) *eventstore.Store {
	t.Helper()
	return open(t, memory.New(), accounts(), nil)
}

func mustAppend(t *testing.T, s *eventstore.Store, stream eventstore.StreamID, payloads ...any) eventstore.Receipt {
	t.Helper()
	receipt, err := s.Append(t.Context(), stream, eventstore.Any, eventstore.Events(payloads...)...)
	require.NoError(t, err)
	return receipt
}

// collect gathers an iteration and the error that ended it.
func collect(seq iter.Seq2[eventstore.Event, error]) ([]eventstore.Event, error) {
	var events []eventstore.Event
	for e, err := range seq {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func payloads(events []eventstore.Event) []any {
	out := make([]any, len(events))
	for i, e := range events {
		out[i] = e.Payload
	}
	return out
}
