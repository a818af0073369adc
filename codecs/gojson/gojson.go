// Package gojson reads and writes JSON with github.com/goccy/go-json, which takes a third to a fifth of the time of
// encoding/json:
//
//	reg := serializer.NewRegistry(&serializer.Options{Codec: gojson.New()})
//
// It has the content type of serializer.JSON and the same results, which a fuzz test compares, so that one can take the
// other's place at any time. The price is a library that goes past the type system: where encoding/json would have a
// bug, it may have a crash of the process. Take it where measurements say that decoding is what takes the time.
//
// It is a module of its own, so that nobody else depends on that library.
package gojson

import (
	"github.com/goccy/go-json"

	"github.com/tidemark-go/tidemark/serializer"
)

// New returns a codec for "application/json".
func New() serializer.Codec { return codec{} }

type codec struct{}

// ContentType implements serializer.Codec.
func (codec) ContentType() string { return "application/json" }

// Marshal implements serializer.Codec. Like serializer.JSON, it leaves <, > and & as they are.
func (codec) Marshal(v any) ([]byte, error) {
	return json.MarshalWithOption(v, json.DisableHTMLEscape())
}

// Unmarshal implements serializer.Codec.
func (codec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
