package serializer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

func TestCurrent(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) {
		serializer.Register[placed](r, "order.placed", serializer.Version(3), serializer.Alias("order.created"))
	})
	for _, name := range []string{"order.placed", "order.created"} {
		t.Run(name+" leads to the current name and version", func(t *testing.T) {
			canonical, schema, ok := r.Current(name)
			require.True(t, ok)
			require.Equal(t, "order.placed", canonical)
			require.Equal(t, 3, schema)
		})
	}
	t.Run("an unknown name leads nowhere", func(t *testing.T) {
		canonical, schema, ok := r.Current("order.Placed")
		require.False(t, ok)
		require.Empty(t, canonical)
		require.Zero(t, schema)
	})
}

func TestAliases(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) {
		serializer.Register[placed](r, "order.placed", serializer.Alias("z"), serializer.Alias("a"))
		serializer.Register[shipped](r, "order.shipped")
	})
	t.Run("are sorted and the caller's to change", func(t *testing.T) {
		aliases := r.Aliases("order.placed")
		require.Equal(t, []string{"a", "z"}, aliases)
		aliases[0] = "changed"
		require.Equal(t, []string{"a", "z"}, r.Aliases("order.placed"))
	})
	t.Run("belong to the current name only", func(t *testing.T) {
		require.Empty(t, r.Aliases("order.shipped"))
		require.Empty(t, r.Aliases("a"))
		require.Empty(t, r.Aliases("unknown"))
	})
}

func TestCodec(t *testing.T) {
	find := func(t *testing.T, r *serializer.Registry, contentType string) serializer.Codec {
		t.Helper()
		c, ok := r.Codec(contentType)
		require.True(t, ok)
		return c
	}
	t.Run("JSON is always among them", func(t *testing.T) {
		r := serializer.NewRegistry(&serializer.Options{Codec: gobCodec{}})
		require.Equal(t, serializer.JSON(), find(t, r, "application/json"))
		require.Equal(t, gobCodec{}, find(t, r, "application/x-gob"))
	})
	t.Run("those of a type and those for reading are among them", func(t *testing.T) {
		r := serializer.NewRegistry(&serializer.Options{Codecs: []serializer.Codec{named("a"), named("b")}})
		serializer.Register[placed](r, "order.placed", serializer.WithCodec(gobCodec{}))
		require.NoError(t, r.Err())
		require.Equal(t, "b", find(t, r, "b").ContentType())
		require.Equal(t, gobCodec{}, find(t, r, "application/x-gob"))
	})
	t.Run("others are not", func(t *testing.T) {
		for _, contentType := range []string{"application/x-gob", "", "application/json "} {
			c, ok := serializer.NewRegistry(nil).Codec(contentType)
			require.False(t, ok)
			require.Nil(t, c)
		}
	})
	t.Run("the options come before the types, and JSON comes last", func(t *testing.T) {
		strict := strictCodec{serializer.JSON()}
		r := serializer.NewRegistry(nil)
		serializer.Register[placed](r, "order.placed", serializer.WithCodec(strict))
		require.Equal(t, serializer.JSON(), find(t, r, "application/json"))

		r = serializer.NewRegistry(&serializer.Options{Codec: gobCodec{}})
		serializer.Register[placed](r, "order.placed", serializer.WithCodec(strict))
		require.Equal(t, strict, find(t, r, "application/json"))
	})
}

func TestNames(t *testing.T) {
	r := newRegistry(t, func(r *serializer.Registry) {
		serializer.Register[shipped](r, "order.shipped", serializer.Alias("old"))
		serializer.Register[placed](r, "order.placed")
		serializer.Register[*note](r, "a.note")
	})
	t.Run("of an interface are those of the types that implement it, sorted", func(t *testing.T) {
		require.Equal(t, []string{"order.placed", "order.shipped"}, serializer.Names[orderEvent](r))
		require.Equal(t, []string{"a.note", "order.placed", "order.shipped"}, serializer.Names[any](r))
	})
	t.Run("of a type are its own", func(t *testing.T) {
		require.Equal(t, []string{"order.placed"}, serializer.Names[placed](r))
		require.Equal(t, []string{"a.note"}, serializer.Names[*note](r))
	})
	t.Run("of what is not registered are none", func(t *testing.T) {
		require.Empty(t, serializer.Names[note](r))
		require.Empty(t, serializer.Names[*placed](r))
		require.Empty(t, serializer.Names[error](r))
	})
}
