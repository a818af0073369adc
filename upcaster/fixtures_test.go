package upcaster_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

// v is short because tables of steps are full of it.
var v = upcaster.V

const jsonType, gobType = "application/json", "application/x-gob"

// codecs finds the two codecs of these tests.
func codecs(contentType string) (upcaster.Codec, bool) {
	switch contentType {
	case jsonType:
		return jsonCodec{}, true
	case gobType:
		return gobCodec{}, true
	default:
		return nil, false
	}
}

type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

type gobCodec struct{}

func (gobCodec) Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func (gobCodec) Unmarshal(data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}

// event returns a stored event with a JSON payload.
func event(t upcaster.Type, data string) upcaster.Event {
	return upcaster.Event{
		Type:        t,
		ContentType: jsonType,
		Data:        []byte(data),
		Metadata:    map[string]string{"correlation_id": "c1"},
		Tags:        []string{"vip"},
		RecordedAt:  time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
		ID:          uuid.MustParse("018df6f1-0000-7000-8000-000000000001"),
		StreamType:  "order",
		StreamID:    "42",
		Version:     3,
		Position:    17,
	}
}

// newChain returns a chain of steps that are right.
func newChain(t testing.TB, steps ...upcaster.Step) *upcaster.Chain {
	t.Helper()
	c, err := upcaster.New(steps...)
	require.NoError(t, err)
	return c
}

// upcast returns what a chain of steps makes of e.
func upcast(t testing.TB, e upcaster.Event, steps ...upcaster.Step) []upcaster.Event {
	t.Helper()
	out, err := newChain(t, steps...).Upcast(e, codecs)
	require.NoError(t, err)
	return out
}

// payloads returns each event as its type and payload.
func payloads(events []upcaster.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.String() + " " + string(e.Data)
	}
	return out
}

// renameField is a step that renames a field.
func renameField(from, to upcaster.Type, old, current string) upcaster.Step {
	return upcaster.Map(from, to, func(fields map[string]any) error {
		fields[current] = fields[old]
		delete(fields, old)
		return nil
	})
}

// splitInto is a step that makes one event of each type, with the payload of the source.
func splitInto(from upcaster.Type, to ...upcaster.Type) upcaster.Step {
	return upcaster.Split(from, to, func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
		parts := make([]upcaster.Event, len(to))
		for i, t := range to {
			parts[i] = upcaster.Event{Type: t, Data: e.Data}
		}
		return parts, nil
	})
}
