package together_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

// FuzzRead carries payloads of any codec forward and decodes them, as a store does with what it reads.
func FuzzRead(f *testing.F) {
	for _, codec := range releases() {
		for _, v := range []any{small, large, wrapperspb.String("noted"), state{Total: 7}} {
			e, err := before(codec).Encode(v)
			require.NoError(f, err)
			f.Add(e.Type, e.Schema, e.ContentType, e.Data)
		}
	}
	f.Add("order.placed", 2, "application/json", []byte(`{"customer":"ada","total":{"amount":1},"note":"x"}`))
	f.Add("order.placed", 2, "application/cbor", []byte("\xa1\x65total\x01"))
	f.Add("order.noted", 1, "application/protobuf+gzip", []byte("\x0a\x01a"))
	f.Add("order.noted", 1, "application/json", []byte(`null`))
	reg, chain := today(f)
	upcast := eventstore.UpcastSample(reg, chain)
	f.Fuzz(func(t *testing.T, name string, schema int, contentType string, data []byte) {
		stored := serializer.Encoded{Type: name, Schema: schema, ContentType: contentType, Data: data}
		kept := bytes.Clone(data)
		parts, err := upcast(serializer.Sample{Encoded: stored})
		require.Equal(t, kept, data)
		if err != nil {
			require.ErrorContains(t, err, "upcaster: the step ")
			return
		}
		for _, part := range parts {
			v, err := reg.Decode(part)
			require.Equal(t, kept, data)
			if err == nil {
				_, err = reg.Encode(v)
				require.NoError(t, err)
			}
		}
	})
}
