package eventstore_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

// invoiced keeps the digits of its sum.
type invoiced struct{ Sum json.Number }

type noted map[string]any

func TestTheSameIDWithAlmostTheSameContentIsErrIdempotency(t *testing.T) {
	reg := serializer.NewRegistry(nil)
	serializer.Register[invoiced](reg, "invoiced")
	serializer.Register[noted](reg, "noted")
	s := open(t, memory.New(), reg, nil)
	for name, c := range map[string]struct{ first, same, other any }{
		"a digit that a float would not see": {invoiced{"12345678901234567.80"}, invoiced{"1234567890123456780e-2"}, invoiced{"12345678901234567.81"}},
		"a key with a dot":                   {noted{"a.b": 1}, noted{"a.b": 1.0}, noted{"a": noted{"b": 1}}},
		"nothing under another name":         {noted{"a": nil}, noted{"a": []int{}}, noted{"b": []int{}}},
		"one list more with nothing in it":   {noted{"a": [][]int{{}}}, noted{"a": [][]int{nil}}, noted{"a": [][]int{{}, {}}}},
	} {
		t.Run(name, func(t *testing.T) {
			event := eventstore.NewEvent{ID: uuid.New(), Payload: c.first}
			_, err := s.Append(t.Context(), ada, eventstore.Any, event)
			require.NoError(t, err)
			event.Payload = c.same
			receipt, err := s.Append(t.Context(), ada, eventstore.Any, event)
			require.NoError(t, err)
			require.True(t, receipt.Duplicate)
			event.Payload = c.other
			_, err = s.Append(t.Context(), ada, eventstore.Any, event)
			require.ErrorIs(t, err, eventstore.ErrIdempotency)
		})
	}
}
