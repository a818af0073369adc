package serializer_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// orderEvent is a closed set of events, as users declare one.
type orderEvent interface{ orderEvent() }

type placed struct {
	ID    string `json:"id"`
	Total int64  `json:"total"`
}

type shipped struct {
	Carrier string `json:"carrier"`
}

// note is stored as a pointer.
type note struct {
	Text string `json:"text"`
}

func (placed) orderEvent()  {}
func (shipped) orderEvent() {}

// gobCodec is a second format.
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

// strictCodec is a second codec for JSON.
type strictCodec struct{ serializer.Codec }

func (strictCodec) Unmarshal(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// funcCodec does what a test needs.
type funcCodec struct {
	contentType func() string
	marshal     func(v any) ([]byte, error)
	unmarshal   func(data []byte, v any) error
}

func (c funcCodec) ContentType() string                { return c.contentType() }
func (c funcCodec) Marshal(v any) ([]byte, error)      { return c.marshal(v) }
func (c funcCodec) Unmarshal(data []byte, v any) error { return c.unmarshal(data, v) }

// named returns a codec that has nothing but a content type.
func named(contentType string) serializer.Codec {
	return funcCodec{contentType: func() string { return contentType }}
}

// secret has methods with pointer receivers.
type secret struct{ text string }

func (s *secret) MarshalJSON() ([]byte, error) { return json.Marshal("sealed:" + s.text) }

func (s *secret) UnmarshalJSON(data []byte) error {
	var sealed string
	err := json.Unmarshal(data, &sealed)
	s.text = sealed[len("sealed:"):] // panics on what it did not write
	return err
}

// amount has a field whose methods have pointer receivers.
type amount struct{ Value big.Int }

// newRegistry returns a registry in which register was allowed no mistake.
func newRegistry(t testing.TB, register func(r *serializer.Registry)) *serializer.Registry {
	t.Helper()
	r := serializer.NewRegistry(nil)
	register(r)
	require.NoError(t, r.Err())
	return r
}
