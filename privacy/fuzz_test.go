package privacy_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/serializer"
)

// FuzzSealed: whatever text a person's data is, it comes back as it was, and after the person is forgotten it does not.
func FuzzSealed(f *testing.F) {
	f.Add("Ada", "Lovelace", "free")
	f.Add("tidemark-sealed:1:", "\"\\", "tidemark-sealed:0:x")
	f.Add("\x00", "é\u2028<", "")
	reg := newRegistry()
	vault, err := privacy.Open(f.Context(), reg, memory.New(), privacy.NewMasterKey(), nil)
	require.NoError(f, err)
	forgetful, err := privacy.Open(f.Context(), reg, memory.New(), privacy.NewMasterKey(), nil)
	require.NoError(f, err)
	_, err = forgetful.Forget(f.Context(), "c-1")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, name, street, free string) {
		for _, text := range []string{name, street, free} {
			if !utf8.ValidString(text) {
				t.Skip("JSON can't hold it")
			}
		}
		e := registered{Customer: "c-1", Name: name, Home: address{Street: street}, Country: free}
		plain, err := reg.Encode(e)
		require.NoError(t, err)
		p := []eventstore.Payload{{Stream: stream("1"), Value: e, Encoded: plain}}
		require.NoError(t, vault.Protect(t.Context(), p))
		require.True(t, json.Valid(p[0].Data))
		protected := p[0]
		require.NoError(t, vault.Reveal(t.Context(), p))
		require.NoError(t, p[0].Err)
		require.Equal(t, plain, p[0].Encoded)
		require.False(t, p[0].Redacted)

		p = []eventstore.Payload{protected}
		require.NoError(t, forgetful.Reveal(t.Context(), p))
		require.True(t, p[0].Redacted)
		read, err := reg.Decode(p[0].Encoded)
		require.NoError(t, err)
		require.Equal(t, registered{Customer: "c-1", Name: "[forgotten]", Country: free}, read)
	})
}

// FuzzReveal: no stored bytes make Reveal panic, whatever they claim to be.
func FuzzReveal(f *testing.F) {
	reg := serializer.NewRegistry(&serializer.Options{Codecs: []serializer.Codec{
		serializer.Compressed(serializer.JSON(), nil), gobCodec{}}})
	serializer.Register[registered](reg, "customer.registered")
	serializer.Register[diagnosed](reg, "customer.diagnosed", serializer.WithCodec(gobCodec{}))
	vault, err := privacy.Open(f.Context(), reg, memory.New(), privacy.NewMasterKey(), nil)
	require.NoError(f, err)
	for _, value := range []any{anna, ill} {
		enc, err := reg.Encode(value)
		require.NoError(f, err)
		p := []eventstore.Payload{{Stream: stream("1"), Value: value, Encoded: enc}}
		require.NoError(f, vault.Protect(f.Context(), p))
		f.Add(p[0].ContentType, p[0].Data)
		f.Add(p[0].ContentType+"+sealed", p[0].Data)
	}
	f.Add("application/json+gzip+sealed", []byte("\x1f\x8b"))
	f.Add("application/json", []byte(`"tidemark-sealed:1:Yy0x:9999999999999999999:MA:R8g"`))
	f.Fuzz(func(t *testing.T, contentType string, data []byte) {
		was := string(data)
		p := []eventstore.Payload{{Stream: stream("1"), Encoded: serializer.Encoded{Type: "customer.registered", Schema: 1,
			ContentType: contentType, Data: data}}}
		if err := vault.Reveal(t.Context(), p); err != nil {
			require.ErrorIs(t, err, privacy.ErrNoKey)
		}
		require.Equal(t, was, string(data), "the stored bytes are not changed")
	})
}
