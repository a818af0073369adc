package serializer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
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

// FuzzDifferences compares two texts of JSON: they differ nowhere if, and only if, they have the same values, numbers to the
// last digit. Where something is empty, rules of its own hold.
func FuzzDifferences(f *testing.F) {
	for _, pair := range [][2]string{
		{`{"a.b":1}`, `{"a":{"b":1}}`}, {`{"":1}`, `{"payload":1}`}, {`{"a[0]":1}`, `{"a":[1]}`}, {`{"a":{"0":1}}`, `{"a":[1]}`},
		{`[12345678901234567.89]`, `[12345678901234567.88]`}, {`[1e21,-0.0]`, `[1000000000000000000000,-0]`}, {`[10e-1]`, `[1.0]`},
		{`{"a\"].b":true}`, `{"a\"]":{"b":true}}`}, {`{"\ud800":"x"}`, `{"\ufffd":"x"}`}, {`[1e999999999]`, `[10e999999998]`},
	} {
		f.Add(pair[0], pair[1])
	}
	r := newRegistry(f, func(r *serializer.Registry) { serializer.Register[json.RawMessage](r, "raw") })
	payload := func(text string) serializer.Encoded {
		return serializer.Encoded{Type: "raw", Schema: 1, ContentType: "application/json", Data: []byte(text)}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		first, ok1 := exactly(a)
		second, ok2 := exactly(b)
		if !ok1 || !ok2 {
			return
		}
		for text, want := range map[string]bool{a: true, b: reflect.DeepEqual(first, second)} {
			there, err := r.Differences(payload(a), payload(text))
			require.NoError(t, err)
			require.Equal(t, want, len(there) == 0, "%q", there)
			back, err := r.Differences(payload(text), payload(a))
			require.NoError(t, err)
			require.Equal(t, there, back)
		}
	})
}

// exactly returns what stands in a text, unless something in it is empty or takes long to compute.
func exactly(text string) (v any, ok bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if !json.Valid([]byte(text)) || dec.Decode(&v) != nil {
		return nil, false
	}
	return rational(v)
}

func rational(v any) (_ any, ok bool) {
	switch v := v.(type) {
	case nil:
		return nil, false
	case map[string]any:
		for key, value := range v {
			if v[key], ok = rational(value); !ok {
				return nil, false
			}
		}
		return v, len(v) > 0
	case []any:
		for i, value := range v {
			if v[i], ok = rational(value); !ok {
				return nil, false
			}
		}
		return v, len(v) > 0
	case json.Number:
		return fraction(v.String())
	}
	return v, true
}

// fraction keeps the sign of zero.
func fraction(number string) (_ any, ok bool) {
	_, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	if len(strings.TrimLeft(exponent, "+-0")) > 3 {
		return nil, false
	}
	exact, ok := new(big.Rat).SetString(number)
	if ok && exact.Sign() == 0 {
		return [2]string{"zero", number[:len(number)-len(strings.TrimPrefix(number, "-"))]}, true
	}
	return [1]string{exact.String()}, ok
}
