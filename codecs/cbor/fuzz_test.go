package cbor_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/codecs/cbor"
	"github.com/tidemark-go/tidemark/serializer"
)

func FuzzDecode(f *testing.F) {
	c, whole := cbor.New(), full()
	for _, v := range []any{&whole, &everything{}, &line{SKU: "a"}, &short{SKU: "a"}, map[string]any{"n": 1}} {
		data, err := c.Marshal(v)
		require.NoError(f, err)
		f.Add("everything", data)
		f.Add("short", data)
	}
	f.Add("line", []byte("\xbf\x63sku\x7f\x61a\x61b\xff\xff")) // of indefinite length
	f.Add("numbers", []byte("\x9a\x7f\xff\xff\xff\x01"))
	f.Add("tree", bytes.Repeat([]byte("\xa1\x65Inner"), 100))
	f.Add("everything", []byte("\xa1\x63Big\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add("everything", []byte("\xa1\x64When\xc1\xfb\x7f\xef\xff\xff\xff\xff\xff\xff"))
	reg := registry()
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		before := bytes.Clone(data)
		v, err := reg.Decode(serializer.Encoded{Type: name, Schema: 1, ContentType: "application/cbor", Data: data})
		require.Equal(t, before, data)
		if err != nil {
			require.NotContains(t, err.Error(), "panic")
			require.Nil(t, v)
			return
		}
		stored, err := reg.Encode(v)
		require.NoError(t, err)
		again, err := reg.Decode(stored)
		require.NoError(t, err)
		twice, err := reg.Encode(again)
		require.NoError(t, err)
		require.Equal(t, stored, twice)
	})
}

// FuzzDecodeAny reads without a type, as upcaster.Map does.
func FuzzDecodeAny(f *testing.F) {
	c, whole := cbor.New(), full()
	data, err := c.Marshal(&whole)
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte("\xa1\x61a\xd8\x64\x01")) // a tag that nobody knows
	f.Add([]byte("\xa1\x61a\xf8\x20"))     // a simple value that nobody knows
	f.Add([]byte("\xa1\x61a\xc2\x41\x01")) // a big number that is small
	f.Add([]byte("\xa1\x61a\xc0\x61x"))    // a time that is none
	f.Add([]byte("\xa1\x61a\x3b\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var fields map[string]any
		if c.Unmarshal(data, &fields) != nil {
			return
		}
		stored, err := c.Marshal(&fields)
		require.NoError(t, err)
		var again map[string]any
		require.NoError(t, c.Unmarshal(stored, &again))
		twice, err := c.Marshal(&again)
		require.NoError(t, err)
		require.Equal(t, stored, twice)
	})
}
