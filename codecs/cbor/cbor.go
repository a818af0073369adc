// Package cbor stores payloads as CBOR (RFC 8949): the same structs and json tags as JSON, in fewer bytes.
//
//	reg := serializer.NewRegistry(&serializer.Options{Codec: cbor.New()})
//
// It is a module of its own, so that nobody else depends on github.com/fxamacker/cbor.
package cbor

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/tidemark-go/tidemark/serializer"
)

// New returns a codec for "application/cbor".
//
// Fields are named by their cbor tags, else by their json tags, so that a type which was stored as JSON needs no change.
// Unknown fields are ignored, missing ones keep their zero value, and names match in any case, as with JSON. Equal values
// are written as equal bytes. Times keep their zone and their nanoseconds, NaN and infinities are allowed, and a string
// that is not UTF-8 stays as it is.
//
// A type decides itself how it is written by the methods MarshalCBOR, MarshalBinary or MarshalText and their
// counterparts, in this order. MarshalJSON is not among them: of a type that has no other, its exported fields are
// written.
//
// Read into an any, numbers are int64, float64 or, where they are larger, a big.Int; objects are map[string]any, so one
// whose keys are numbers can be read into its own type only. Nesting ends at 10,000 levels, as with JSON.
func New() serializer.Codec {
	enc, err1 := encOptions().EncMode()
	dec, err2 := decOptions().DecMode()
	if err := errors.Join(err1, err2); err != nil {
		panic(fmt.Sprintf("cbor: its options, which are constants, are wrong: %v", err))
	}
	return codec{enc: enc, dec: dec}
}

func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions() // sorted, shortest: equal bytes for equal values
	o.Time, o.TimeTag = cbor.TimeRFC3339Nano, cbor.EncTagRequired
	o.OmitEmpty = cbor.OmitEmptyGoValue
	o.ByteArray = cbor.ByteArrayToByteSlice
	o.TextMarshaler = cbor.TextMarshalerTextString
	return o
}

// decOptions sets no limit to what the encoder writes, except in depth: the library makes sure that bytes for each
// element are there before it makes room for them.
func decOptions() cbor.DecOptions {
	return cbor.DecOptions{
		MaxNestedLevels:  10_000,
		MaxArrayElements: math.MaxInt32,
		MaxMapPairs:      math.MaxInt32,
		IntDec:           cbor.IntDecConvertSignedOrBigInt,
		DefaultMapType:   reflect.TypeFor[map[string]any](),
		UTF8:             cbor.UTF8DecodeInvalid,
		TextUnmarshaler:  cbor.TextUnmarshalerTextString,
	}
}

type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

// ContentType implements serializer.Codec.
func (codec) ContentType() string { return "application/cbor" }

// Marshal implements serializer.Codec.
func (c codec) Marshal(v any) ([]byte, error) { return c.enc.Marshal(v) }

// Unmarshal implements serializer.Codec.
func (c codec) Unmarshal(data []byte, v any) error { return c.dec.Unmarshal(data, v) }
