package serializer_test

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// namedPointer is a pointer type with a name of its own.
type namedPointer *note

func TestWhatWasEncodedComesBackAsTheTypeThatWasRegistered(t *testing.T) {
	text := "hello"
	for name, value := range map[string]any{
		"a struct":                            placed{ID: "7", Total: math64},
		"a pointer":                           &note{Text: "fragile"},
		"a named pointer":                     namedPointer(&note{Text: "fragile"}),
		"a pointer to a text":                 &text,
		"a text":                              text,
		"a map":                               map[string]int{"a": 1},
		"a nil map":                           map[string]int(nil),
		"a list":                              []string{"b", "a"},
		"an empty struct":                     struct{}{},
		"raw JSON":                            json.RawMessage(`{"n":1.0}`),
		"a type whose methods want a pointer": secret{text: "x"},
		"a field whose methods want a pointer": amount{
			Value: *big.NewInt(0).Lsh(big.NewInt(1), 100),
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := allKinds(t, serializer.JSON()).Encode(value)
			require.NoError(t, err)
			back, err := allKinds(t, serializer.JSON()).Decode(e)
			require.NoError(t, err)
			require.Equal(t, value, back)
		})
	}
	t.Run("with a codec other than JSON", func(t *testing.T) {
		for _, value := range []any{placed{ID: "7"}, &note{Text: "fragile"}, namedPointer(&note{Text: "fragile"})} {
			e, err := allKinds(t, gobCodec{}).Encode(value)
			require.NoError(t, err)
			back, err := allKinds(t, gobCodec{}).Decode(e)
			require.NoError(t, err)
			require.Equal(t, value, back)
		}
	})
}

// math64 has more digits than a float64 can hold.
const math64 = 1<<62 + 1

func allKinds(t *testing.T, codec serializer.Codec) *serializer.Registry {
	r := serializer.NewRegistry(&serializer.Options{Codec: codec})
	serializer.Register[placed](r, "struct")
	serializer.Register[*note](r, "pointer")
	serializer.Register[namedPointer](r, "named pointer")
	serializer.Register[*string](r, "pointer to text")
	serializer.Register[string](r, "text")
	serializer.Register[map[string]int](r, "map")
	serializer.Register[[]string](r, "list")
	serializer.Register[struct{}](r, "empty")
	serializer.Register[json.RawMessage](r, "raw")
	serializer.Register[secret](r, "secret")
	serializer.Register[amount](r, "amount")
	require.NoError(t, r.Err())
	return r
}

func TestDecode(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) {
		serializer.Register[placed](r, "order.placed", serializer.Version(2), serializer.Alias("order.created"))
		serializer.Register[secret](r, "secret")
	})
	stored := serializer.Encoded{
		Type: "order.placed", Schema: 2, ContentType: "application/json", Data: []byte(`{"id":"7","total":250}`),
	}
	t.Run("reads what is stored under an alias", func(t *testing.T) {
		e := stored
		e.Type = "order.created"
		v, err := r.Decode(e)
		require.NoError(t, err)
		require.Equal(t, placed{ID: "7", Total: 250}, v)
	})
	t.Run("ignores unknown fields and leaves missing ones empty", func(t *testing.T) {
		e := stored
		e.Data = []byte(`{"id":"7","colour":"red"}`)
		v, err := r.Decode(e)
		require.NoError(t, err)
		require.Equal(t, placed{ID: "7"}, v)
	})
	t.Run("gives each caller a value of its own", func(t *testing.T) {
		r := allKinds(t, serializer.JSON())
		e, err := r.Encode(&note{Text: "fragile"})
		require.NoError(t, err)
		first, err := r.Decode(e)
		require.NoError(t, err)
		second, err := r.Decode(e)
		require.NoError(t, err)
		require.NotSame(t, first, second)
	})
	t.Run("does not change or keep the bytes", func(t *testing.T) {
		e := stored
		e.Data = []byte(`{"id":"7","total":250}`)
		v, err := r.Decode(e)
		require.NoError(t, err)
		require.Equal(t, stored.Data, e.Data)
		clear(e.Data)
		require.Equal(t, placed{ID: "7", Total: 250}, v)
	})
}

func TestDecodeErrorsNameTypeAndVersion(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) {
		serializer.Register[placed](r, "order.placed", serializer.Version(2), serializer.Alias("order.created"))
		serializer.Register[secret](r, "secret")
	})
	for name, c := range map[string]struct {
		stored  serializer.Encoded
		unknown bool
		err     string
	}{
		"for an unknown name": {
			serializer.Encoded{Type: "order.lost", Schema: 1, ContentType: "application/json", Data: []byte(`{}`)}, true,
			"serializer: unknown type: nothing is registered as order.lost v1; register it, give its type an alias " +
				"or add an upcaster step",
		},
		"for an earlier version": {
			serializer.Encoded{Type: "order.placed", Schema: 1, ContentType: "application/json", Data: []byte(`{}`)}, true,
			"serializer: unknown type: order.placed v1, registered as order.placed v2; an upcaster step from v1 is missing",
		},
		"for an earlier version under an alias": {
			serializer.Encoded{Type: "order.created", Schema: 1, ContentType: "application/json", Data: []byte(`{}`)}, true,
			"serializer: unknown type: order.created v1, registered as order.placed v2; an upcaster step from v1 is missing",
		},
		"for a later version": {
			serializer.Encoded{Type: "order.placed", Schema: 3, ContentType: "application/json", Data: []byte(`{}`)}, true,
			"serializer: unknown type: order.placed v3, registered as order.placed v2; it was written by a later release",
		},
		"for an unknown content type": {
			serializer.Encoded{Type: "order.placed", Schema: 2, ContentType: "text/csv", Data: []byte(`{}`)}, false,
			`serializer: decode order.placed v2: no codec for content type "text/csv"; add it to Options.Codecs`,
		},
		"for bytes that are not the format": {
			serializer.Encoded{Type: "order.placed", Schema: 2, ContentType: "application/json", Data: []byte(`{"id":`)},
			false, "serializer: decode order.placed v2 into serializer_test.placed: unexpected end of JSON input",
		},
		"for no bytes": {
			serializer.Encoded{Type: "order.placed", Schema: 2, ContentType: "application/json"}, false,
			"serializer: decode order.placed v2 into serializer_test.placed: unexpected end of JSON input",
		},
		"for a field of another type": {
			serializer.Encoded{Type: "order.placed", Schema: 2, ContentType: "application/json", Data: []byte(`{"id":7}`)},
			false, "serializer: decode order.placed v2 into serializer_test.placed: json: cannot unmarshal number into " +
				"Go struct field placed.id of type string",
		},
		"for a method that panics": {
			serializer.Encoded{Type: "secret", Schema: 1, ContentType: "application/json", Data: []byte(`"x"`)}, false,
			"serializer: decode secret v1 into serializer_test.secret: panic: runtime error: " +
				"slice bounds out of range [7:1]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := r.Decode(c.stored)
			require.EqualError(t, err, c.err)
			require.Equal(t, c.unknown, isUnknown(err))
			require.Nil(t, v)
		})
	}
}

func TestOldAndNewFormatsLiveInOneStream(t *testing.T) {
	before := newRegistry(t, func(r *serializer.Registry) { serializer.Register[placed](r, "order.placed") })
	now := newRegistry(t, func(r *serializer.Registry) {
		serializer.Register[placed](r, "order.placed", serializer.WithCodec(gobCodec{}))
	})
	for _, written := range []*serializer.Registry{before, now} {
		e, err := written.Encode(placed{ID: "7"})
		require.NoError(t, err)
		v, err := now.Decode(e)
		require.NoError(t, err)
		require.Equal(t, placed{ID: "7"}, v)
	}
	t.Run("and a codec that no type uses any longer reads on", func(t *testing.T) {
		e, err := now.Encode(placed{ID: "7"})
		require.NoError(t, err)
		_, err = before.Decode(e)
		require.ErrorContains(t, err, `no codec for content type "application/x-gob"`)

		after := serializer.NewRegistry(&serializer.Options{Codecs: []serializer.Codec{gobCodec{}}})
		serializer.Register[placed](after, "order.placed")
		require.NoError(t, after.Err())
		v, err := after.Decode(e)
		require.NoError(t, err)
		require.Equal(t, placed{ID: "7"}, v)
	})
}

func TestATypesOwnCodecComesBeforeOthersOfItsContentType(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) {
		serializer.Register[placed](r, "order.placed", serializer.WithCodec(strictCodec{serializer.JSON()}))
		serializer.Register[shipped](r, "order.shipped")
	})
	e := serializer.Encoded{Schema: 1, ContentType: "application/json", Data: []byte(`{"colour":"red"}`)}
	e.Type = "order.shipped"
	_, err := r.Decode(e)
	require.NoError(t, err)
	e.Type = "order.placed"
	_, err = r.Decode(e)
	require.ErrorContains(t, err, `unknown field "colour"`)
}
