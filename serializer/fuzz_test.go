package serializer_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// everything holds all kinds of fields that a decoder has to fill.
type everything struct {
	Text    string
	Number  float64
	Small   int8
	When    time.Time
	List    []everything
	Fields  map[string]any
	Pointer *everything
	Any     any
	Secret  secret
	Bytes   []byte
	Array   [2]bool
}

func isUnknown(err error) bool { return errors.Is(err, serializer.ErrUnknownType) }

func FuzzDecode(f *testing.F) {
	f.Add("everything", 1, "application/json", []byte(`{"Text":"a","Small":300,"When":"2024-01-01T00:00:00Z"}`))
	f.Add("everything", 1, "application/json", []byte(`{"Secret":"x","List":[{"Pointer":{"Array":[true]}}]}`))
	f.Add("pointer", 1, "application/x-gob", []byte{3, 4, 0, 2})
	f.Add("pointer", 1, "application/json", []byte(`null`))
	f.Add("old", 1, "application/json", []byte(`"sealed:"`))
	f.Add("secret", 1, "application/json", []byte(`""`))
	f.Add("secret", 2, "text/plain", []byte{0xff})
	f.Add("", -1, "", []byte(nil))
	r := newRegistry(f, func(r *serializer.Registry) {
		serializer.Register[everything](r, "everything")
		serializer.Register[*note](r, "pointer", serializer.WithCodec(gobCodec{}))
		serializer.Register[secret](r, "secret", serializer.Alias("old"))
	})
	f.Fuzz(func(t *testing.T, name string, schema int, contentType string, data []byte) {
		before := strings.Clone(string(data))
		v, err := r.Decode(serializer.Encoded{Type: name, Schema: schema, ContentType: contentType, Data: data})
		require.Equal(t, before, string(data))
		if err != nil {
			require.Nil(t, v)
			require.ErrorContains(t, err, name+" v"+strconv.Itoa(schema))
			return
		}
		canonical, _, ok := r.Current(name)
		require.True(t, ok)
		again, err := r.Encode(v)
		require.NoError(t, err)
		require.Equal(t, canonical, again.Type)
	})
}

func FuzzRegister(f *testing.F) {
	f.Add("order.placed", 1, "order.created")
	f.Add("a\x00b", 0, "")
	f.Add("same", -1, "same")
	f.Add(strings.Repeat("x", 256), 1, "\xff")
	f.Fuzz(func(t *testing.T, name string, schema int, alias string) {
		r := serializer.NewRegistry(nil)
		serializer.Register[placed](r, name, serializer.Version(schema), serializer.Alias(alias))
		if err := r.Err(); err != nil {
			require.ErrorContains(t, err, strconv.Quote(name)+" for serializer_test.placed")
			return
		}
		stored, err := r.Encode(placed{ID: "7"})
		require.NoError(t, err)
		require.Equal(t, []string{alias}, r.Aliases(stored.Type))
		stored.Type = alias
		v, err := r.Decode(stored)
		require.NoError(t, err)
		require.Equal(t, placed{ID: "7"}, v)
	})
}

// FuzzDecompress decodes payloads that say that they are compressed.
func FuzzDecompress(f *testing.F) {
	r := compressedNotes(f, serializer.CompressOptions{MaxSize: 10_000})
	stored, err := r.Encode(noteOf(10_000))
	require.NoError(f, err)
	f.Add(stored.Data)
	f.Add(stored.Data[:20])
	f.Add(append(bytes.Clone(stored.Data), stored.Data...))
	f.Add([]byte("\x1f\x8b\x08\x1c\x00\x00\x00\x00\x00\xff\xff\xffextra\x00name\x00"))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x00\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		v, err := r.Decode(serializer.Encoded{Type: "note", Schema: 1, ContentType: "application/json+gzip", Data: data})
		require.Equal(t, before, data)
		if err != nil {
			require.NotContains(t, err.Error(), "panic")
			require.Nil(t, v)
			return
		}
		stored, err := r.Encode(v)
		if errors.Is(err, serializer.ErrTooLarge) {
			return // the payload had fewer escapes
		}
		require.NoError(t, err)
		again, err := r.Decode(stored)
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}
