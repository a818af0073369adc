package serializer_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

func TestJSON(t *testing.T) {
	codec := serializer.JSON()
	t.Run("writes one line without escapes for HTML", func(t *testing.T) {
		data, err := codec.Marshal(map[string]string{"b": "line\nbreak", "a": "<b> & \u2028"})
		require.NoError(t, err)
		require.Equal(t, `{"a":"<b> & \u2028","b":"line\nbreak"}`, string(data))
	})
	t.Run("gives each caller bytes of its own", func(t *testing.T) {
		first, err := codec.Marshal("first")
		require.NoError(t, err)
		_, err = codec.Marshal("other")
		require.NoError(t, err)
		require.Equal(t, `"first"`, string(first))
	})
	t.Run("keeps NUL and every digit", func(t *testing.T) {
		data, err := codec.Marshal(placed{ID: "a\x00b", Total: math.MaxInt64})
		require.NoError(t, err)
		require.Equal(t, `{"id":"a\u0000b","total":9223372036854775807}`, string(data))
		var back placed
		require.NoError(t, codec.Unmarshal(data, &back))
		require.Equal(t, placed{ID: "a\x00b", Total: math.MaxInt64}, back)
	})
	t.Run("refuses what follows the value", func(t *testing.T) {
		var v placed
		require.Error(t, codec.Unmarshal([]byte(`{} {}`), &v))
	})
	t.Run("has a content type", func(t *testing.T) {
		require.Equal(t, "application/json", codec.ContentType())
	})
}
