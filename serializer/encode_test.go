package serializer_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

func TestEncode(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) {
		serializer.Register[placed](r, "order.placed", serializer.Version(2), serializer.Alias("order.created"))
		serializer.Register[*note](r, "order.note")
		serializer.Register[shipped](r, "order.shipped", serializer.WithCodec(gobCodec{}))
		serializer.Register[float64](r, "temperature")
	})
	t.Run("gives the current name, version and content type", func(t *testing.T) {
		e, err := r.Encode(placed{ID: "7", Total: 250})
		require.NoError(t, err)
		require.Equal(t, serializer.Encoded{
			Type: "order.placed", Schema: 2, ContentType: "application/json", Data: []byte(`{"id":"7","total":250}`),
		}, e)
	})
	t.Run("uses the type's own codec", func(t *testing.T) {
		e, err := r.Encode(shipped{Carrier: "post"})
		require.NoError(t, err)
		require.Equal(t, "application/x-gob", e.ContentType)
	})
	t.Run("names the Go type that is not registered", func(t *testing.T) {
		_, err := r.Encode(amount{})
		require.ErrorIs(t, err, serializer.ErrUnknownType)
		require.EqualError(t, err, "serializer: unknown type: serializer_test.amount is not registered; "+
			"add serializer.Register[serializer_test.amount](registry, name)")
	})
	t.Run("tells a pointer from its value", func(t *testing.T) {
		_, err := r.Encode(&placed{})
		require.ErrorIs(t, err, serializer.ErrUnknownType)
		require.EqualError(t, err, "serializer: unknown type: serializer_test.placed is registered, "+
			"*serializer_test.placed is not; pass the value instead of the pointer")
		_, err = r.Encode(note{})
		require.ErrorIs(t, err, serializer.ErrUnknownType)
		require.EqualError(t, err, "serializer: unknown type: *serializer_test.note is registered, "+
			"serializer_test.note is not; pass the pointer instead of the value")
	})
	t.Run("refuses nil", func(t *testing.T) {
		_, err := r.Encode(nil)
		require.ErrorIs(t, err, serializer.ErrUnknownType)
		require.EqualError(t, err, "serializer: unknown type: the value is nil")
		_, err = r.Encode((*note)(nil))
		require.EqualError(t, err, "serializer: encode *serializer_test.note as order.note v1: the pointer is nil")
	})
	t.Run("names what the codec refuses", func(t *testing.T) {
		_, err := r.Encode(math.NaN())
		require.EqualError(t, err, "serializer: encode float64 as temperature v1: json: unsupported value: NaN")
	})
}

func TestRegisteredSaysWhatEncodeWouldSay(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) { serializer.Register[placed](r, "order.placed") })
	require.NoError(t, r.Registered(placed{}))
	for _, value := range []any{nil, &placed{}, shipped{}} {
		_, err := r.Encode(value)
		require.EqualError(t, r.Registered(value), err.Error())
		require.ErrorIs(t, r.Registered(value), serializer.ErrUnknownType)
	}
}

func TestEncodeSurvivesThePanicOfACodec(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		panic any
		err   string
	}{
		"with a text":   {"out of tokens", "panic: out of tokens"},
		"with an error": {broken, "panic: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			codec := funcCodec{
				contentType: func() string { return "x" },
				marshal:     func(any) ([]byte, error) { panic(c.panic) },
			}
			r := newRegistry(t, func(r *serializer.Registry) {
				serializer.Register[placed](r, "order.placed", serializer.WithCodec(codec))
			})
			e, err := r.Encode(placed{})
			require.EqualError(t, err, "serializer: encode serializer_test.placed as order.placed v1: "+c.err)
			require.Zero(t, e)
			if c.panic == any(broken) {
				require.ErrorIs(t, err, broken)
			}
		})
	}
}

func TestWhatIsCalledJSONIsJSON(t *testing.T) {
	for written, ok := range map[string]bool{`{"a":1}`: true, ` "a" `: true, "not json": false, "": false, `{}{}`: false} {
		t.Run(written, func(t *testing.T) {
			r := newRegistry(t, func(r *serializer.Registry) {
				serializer.Register[note](r, "note", serializer.WithCodec(funcCodec{
					contentType: func() string { return "application/json" },
					marshal:     func(any) ([]byte, error) { return []byte(written), nil },
				}))
			})
			_, err := r.Encode(note{})
			if ok {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, `serializer: encode serializer_test.note as note v1: codec serializer_test.funcCodec wrote `+
				`what is no JSON; only a codec of JSON may have content type "application/json"`)
		})
	}
}
