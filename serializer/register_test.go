package serializer_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// mistakes are registrations that must be reported, with what Err says.
type mistakes map[string]struct {
	register func(r *serializer.Registry)
	err      string
}

func (m mistakes) requireReported(t *testing.T) {
	for name, c := range m {
		t.Run(name+" is reported with name and Go type", func(t *testing.T) {
			r := serializer.NewRegistry(nil)
			c.register(r)
			require.ErrorContains(t, r.Err(), c.err)
		})
	}
}

func TestNamesAreChecked(t *testing.T) {
	register := serializer.Register[placed]
	mistakes{
		"an empty name": {
			func(r *serializer.Registry) { register(r, "") },
			`serializer: register "" for serializer_test.placed: name "" is empty`,
		},
		"a name that is too long": {
			func(r *serializer.Registry) { register(r, strings.Repeat("é", 128)) },
			`has 256 bytes; 255 are the most`,
		},
		"a name that is not UTF-8": {
			func(r *serializer.Registry) { register(r, "order\xff") },
			`serializer: register "order\xff" for serializer_test.placed: name "order\xff" is not valid UTF-8`,
		},
		"a name with NUL": {
			func(r *serializer.Registry) { register(r, "order\x00placed") },
			`name "order\x00placed" contains NUL`,
		},
		"an invalid alias": {
			func(r *serializer.Registry) { register(r, "order.placed", serializer.Alias("")) },
			`serializer: register "order.placed" for serializer_test.placed: name "" is empty`,
		},
		"a name twice": {
			func(r *serializer.Registry) {
				register(r, "order.placed")
				serializer.Register[shipped](r, "order.placed")
			},
			`serializer: register "order.placed" for serializer_test.shipped: name "order.placed" is taken by ` +
				`serializer_test.placed`,
		},
		"an alias that is another type's name": {
			func(r *serializer.Registry) {
				register(r, "order.placed")
				serializer.Register[shipped](r, "order.shipped", serializer.Alias("order.placed"))
			},
			`serializer: register "order.shipped" for serializer_test.shipped: name "order.placed" is taken by ` +
				`serializer_test.placed`,
		},
		"a name that is another type's alias": {
			func(r *serializer.Registry) {
				register(r, "order.placed", serializer.Alias("order.created"))
				serializer.Register[shipped](r, "order.created")
			},
			`serializer: register "order.created" for serializer_test.shipped: name "order.created" is taken by ` +
				`serializer_test.placed`,
		},
		"an alias that is the type's own name": {
			func(r *serializer.Registry) { register(r, "order.placed", serializer.Alias("order.placed")) },
			`name "order.placed" is given twice`,
		},
		"an alias twice": {
			func(r *serializer.Registry) {
				register(r, "order.placed", serializer.Alias("order.created"), serializer.Alias("order.created"))
			},
			`name "order.created" is given twice`,
		},
	}.requireReported(t)
}

func TestTypesVersionsAndCodecsAreChecked(t *testing.T) {
	register := serializer.Register[placed]
	mistakes{
		"a version below 1": {
			func(r *serializer.Registry) { register(r, "order.placed", serializer.Version(0)) },
			`serializer: register "order.placed" for serializer_test.placed: schema version 0 is below 1`,
		},
		"an interface": {
			func(r *serializer.Registry) { serializer.Register[orderEvent](r, "order.event") },
			`serializer: register "order.event" for serializer_test.orderEvent: it is an interface; ` +
				`register the types that implement it`,
		},
		"a nil codec": {
			func(r *serializer.Registry) { register(r, "order.placed", serializer.WithCodec(nil)) },
			`serializer: register "order.placed" for serializer_test.placed: the codec is nil`,
		},
		"a codec without a content type": {
			func(r *serializer.Registry) { register(r, "order.placed", serializer.WithCodec(named(""))) },
			`content type "" of codec serializer_test.funcCodec is empty`,
		},
		"a codec that panics when it is asked for its content type": {
			func(r *serializer.Registry) { register(r, "order.placed", serializer.WithCodec(funcCodec{})) },
			`serializer: register "order.placed" for serializer_test.placed: panic: runtime error: ` +
				`invalid memory address or nil pointer dereference`,
		},
		"a type twice": {
			func(r *serializer.Registry) {
				register(r, "order.placed")
				register(r, "order.created")
			},
			`serializer: register "order.created" for serializer_test.placed: the type is registered already, ` +
				`as "order.placed"`,
		},
	}.requireReported(t)
}

func TestErr(t *testing.T) {
	t.Run("a registry without mistakes has no error", func(t *testing.T) {
		r := serializer.NewRegistry(nil)
		require.NoError(t, r.Err())
		serializer.Register[placed](r, strings.Repeat("x", 255), serializer.Version(1<<31-1))
		require.NoError(t, r.Err())
	})
	t.Run("all mistakes are reported, each on its line", func(t *testing.T) {
		r := serializer.NewRegistry(nil)
		serializer.Register[placed](r, "", serializer.Version(-1))
		serializer.Register[shipped](r, "order.shipped", serializer.WithCodec(nil))
		require.EqualError(t, r.Err(), strings.Join([]string{
			`serializer: register "" for serializer_test.placed: schema version -1 is below 1`,
			`serializer: register "" for serializer_test.placed: name "" is empty`,
			`serializer: register "order.shipped" for serializer_test.shipped: the codec is nil`,
		}, "\n"))
	})
	t.Run("what was registered by mistake leaves nothing behind", func(t *testing.T) {
		r := serializer.NewRegistry(nil)
		serializer.Register[placed](r, "order.placed", serializer.Alias("order.created"), serializer.Version(0),
			serializer.WithCodec(gobCodec{}))
		require.Empty(t, serializer.Names[any](r))
		_, _, ok := r.Current("order.created")
		require.False(t, ok)
		_, ok = r.Codec("application/x-gob")
		require.False(t, ok)
		_, err := r.Encode(placed{})
		require.ErrorIs(t, err, serializer.ErrUnknownType)
	})
	t.Run("codecs of the options are checked", func(t *testing.T) {
		r := serializer.NewRegistry(&serializer.Options{
			Codec:  named("a\x00b"),
			Codecs: []serializer.Codec{gobCodec{}, nil},
		})
		require.EqualError(t, r.Err(), strings.Join([]string{
			`serializer: Options.Codec: content type "a\x00b" of codec serializer_test.funcCodec contains NUL`,
			`serializer: Options.Codecs[1]: the codec is nil`,
		}, "\n"))
	})
}

func TestTypesMayBeRegisteredWhileOthersAreUsed(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) { serializer.Register[placed](r, "order.placed") })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				stored, err := r.Encode(placed{ID: "7"})
				if err == nil {
					_, err = r.Decode(stored)
				}
				if err != nil || len(serializer.Names[orderEvent](r)) == 0 || r.Err() != nil {
					t.Error("a registered type is gone:", err)
				}
			}
		})
	}
	wg.Go(func() { serializer.Register[shipped](r, "order.shipped", serializer.WithCodec(gobCodec{})) })
	wg.Go(func() { serializer.Register[*note](r, "order.note", serializer.Alias("note")) })
	wg.Wait()
	require.Equal(t, []string{"order.note", "order.placed", "order.shipped"}, serializer.Names[any](r))
}
