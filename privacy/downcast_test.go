package privacy_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

// toFirst is what a downcast does: version 1 of a registration had a greeting instead of a name, and no birthday.
func toFirst(codec serializer.Codec) func(serializer.Encoded) (serializer.Encoded, error) {
	return func(enc serializer.Encoded) (serializer.Encoded, error) {
		var r registered
		if err := codec.Unmarshal(enc.Data, &r); err != nil {
			return enc, err
		}
		enc.Schema--
		var err error
		enc.Data, err = codec.Marshal(&map[string]string{"customer": r.Customer, "greeting": "Dear " + r.Name, "country": r.Country})
		return enc, err
	}
}

// downcast returns the payload of a value as it is to be stored.
func downcast(t *testing.T, w *world, value any, down func(serializer.Encoded) (serializer.Encoded, error)) []eventstore.Payload {
	enc, err := w.reg.Encode(value)
	require.NoError(t, err)
	enc, err = down(enc)
	require.NoError(t, err)
	return []eventstore.Payload{{Stream: stream("1"), Value: value, Encoded: enc, Downcast: down}}
}

// While older releases run, an event is stored in a shape in which nobody knows what is personal.
func TestADowncastEventIsSealedAsAWhole(t *testing.T) {
	for name, codec := range map[string]serializer.Codec{
		"in JSON":            serializer.JSON(),
		"in compressed JSON": serializer.Compressed(serializer.JSON(), &serializer.CompressOptions{MinSize: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			w := worldWith(t, codec)
			e := anna
			e.Country = strings.Repeat("Russia, ", 100)
			enc, err := w.reg.Encode(e)
			require.NoError(t, err)
			reader, ok := w.reg.Codec(enc.ContentType)
			require.True(t, ok)
			p := downcast(t, w, e, toFirst(reader))
			plain := p[0].Encoded
			require.NoError(t, w.vault.Protect(t.Context(), p))
			requireNoSecrets(t, string(p[0].Data))
			reveal := func() (greeting string, redacted bool) {
				read := []eventstore.Payload{{Stream: stream("1"), Encoded: p[0].Encoded}}
				require.NoError(t, w.vault.Reveal(t.Context(), read))
				require.NoError(t, read[0].Err)
				require.Equal(t, plain.ContentType, read[0].ContentType)
				var members map[string]string
				require.NoError(t, reader.Unmarshal(read[0].Data, &members))
				require.Equal(t, e.Country, members["country"])
				return members["greeting"], read[0].Redacted
			}
			greeting, redacted := reveal()
			require.Equal(t, "Dear Anna Karenina", greeting)
			require.False(t, redacted)
			w.forget("c-1")
			greeting, redacted = reveal()
			require.Equal(t, "Dear [forgotten]", greeting)
			require.True(t, redacted)
		})
	}
}

func TestADowncastOfWhatIsPersonalAsAWhole(t *testing.T) {
	w := inMemory(t, nil)
	down := func(enc serializer.Encoded) (serializer.Encoded, error) {
		enc.Data = []byte(strings.Replace(string(enc.Data), "diagnosis", "finding", 1))
		return enc, nil
	}
	p := downcast(t, w, ill, down)
	require.NoError(t, w.vault.Protect(t.Context(), p))
	requireNoSecrets(t, string(p[0].Data))
	w.forget("c-1")
	read := []eventstore.Payload{{Stream: stream("1"), Encoded: p[0].Encoded}}
	require.NoError(t, w.vault.Reveal(t.Context(), read))
	require.Equal(t, `{"patient":"c-1","finding":"[forgotten]"}`, string(read[0].Data))
}

func TestADowncastThatCantBeSealedIsRefused(t *testing.T) {
	w := typedWorld[nested](t)
	same := func(enc serializer.Encoded) (serializer.Encoded, error) { return enc, nil }
	calls := 0
	choosing := func(enc serializer.Encoded) (serializer.Encoded, error) {
		if calls++; calls > 1 {
			enc.Schema = 7
		}
		return enc, nil
	}
	failing := func(enc serializer.Encoded) (serializer.Encoded, error) {
		if !strings.Contains(string(enc.Data), "Anna") {
			return enc, errors.New("too old")
		}
		return enc, nil
	}
	for want, p := range map[string][]eventstore.Payload{
		"about several people":                     downcast(t, w, filled(), same),
		"must not choose by what is personal":      downcast(t, w, anna, choosing),
		"downcast its fallback: too old":           downcast(t, w, anna, failing),
		"it is personal, and the subject is empty": downcast(t, w, registered{Name: "Anna"}, same),
	} {
		t.Run(want, func(t *testing.T) {
			require.ErrorContains(t, w.vault.Protect(t.Context(), p), want)
		})
	}
}

func TestADowncastEventWithNothingPersonalIsStoredInPlain(t *testing.T) {
	w := inMemory(t, nil)
	down := toFirst(serializer.JSON())
	for _, e := range []any{registered{Country: "tidemark-sealed:1:"}, registered{Customer: "c-2", Name: "[forgotten]"}} {
		w.forget("c-2")
		p := downcast(t, w, e, down)
		plain := p[0].Encoded
		require.NoError(t, w.vault.Protect(t.Context(), p))
		require.True(t, json.Valid(p[0].Data))
		require.NotContains(t, string(p[0].Data), `"tidemark-sealed:1:`)
		require.NoError(t, w.vault.Reveal(t.Context(), p))
		require.Equal(t, plain, p[0].Encoded)
	}
}
