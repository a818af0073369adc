package privacy_test

import (
	"bytes"
	"encoding/gob"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// gobCodec is a codec that has nothing to do with JSON.
type gobCodec struct{}

func (gobCodec) ContentType() string { return "application/x-gob" }

func (gobCodec) Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func (gobCodec) Unmarshal(data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}

// worldWith is a world whose types are written by a codec.
func worldWith(t *testing.T, codec serializer.Codec) *world {
	drv := memory.New()
	w := &world{T: t, drv: drv, keys: drv, master: privacy.NewMasterKey()}
	w.reg = serializer.NewRegistry(&serializer.Options{Codec: codec})
	serializer.Register[registered](w.reg, "customer.registered")
	serializer.Register[diagnosed](w.reg, "customer.diagnosed")
	serializer.Register[noted](w.reg, "noted")
	w.vault = w.open(nil)
	w.store = w.storeWith(w.vault)
	return w
}

func contentTypes(t *testing.T, w *world) (list []string) {
	for _, e := range stored(w, "1") {
		list = append(list, e.ContentType)
	}
	return list
}

func TestAnyCodecsPayloadsAreSealedAsAWhole(t *testing.T) {
	w := worldWith(t, gobCodec{})
	w.append("1", ill, noted{"plain"})
	require.Equal(t, []string{"application/x-gob+sealed", "application/x-gob"}, contentTypes(t, w))
	require.Equal(t, []any{ill, noted{"plain"}}, w.payloads("1"))
	requireNoSecrets(t, strings.Join(w.raw("1"), ""))
	w.forget("c-1")
	require.Equal(t, []any{illForgotten, noted{"plain"}}, w.payloads("1"))
	w.append("1", illForgotten)
	require.Equal(t, []any{illForgotten, noted{"plain"}, illForgotten}, w.payloads("1"))

	t.Run("but not field by field", func(t *testing.T) {
		_, err := w.store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(emma)...)
		require.ErrorContains(t, err, "application/x-gob is not JSON")
	})
	t.Run("and a store without a vault says that it can't read them", func(t *testing.T) {
		_, err := streamErr(w, w.storeWith(nil), "1")
		require.ErrorContains(t, err, `no codec for content type "application/x-gob+sealed"`)
	})
}

func TestCompressedPayloadsAreSealed(t *testing.T) {
	w := worldWith(t, serializer.Compressed(serializer.JSON(), nil))
	long := strings.Repeat("a long street, ", 200)
	longAnna, longIll := anna, ill
	longAnna.Country, longAnna.Home.Street = long, "Nevsky "+long
	longIll.Diagnosis = "melancholia " + long
	events := []eventstore.NewEvent{withID(longAnna), withID(longIll), withID(anna), withID(noted{long})}
	for _, duplicate := range []bool{false, true} {
		r, err := w.store.Append(t.Context(), stream("1"), eventstore.NoStream, events...)
		require.NoError(t, err)
		require.Equal(t, duplicate, r.Duplicate)
	}
	require.Equal(t, []string{"application/json+gzip+sealed", "application/json+gzip+sealed", "application/json",
		"application/json+gzip"}, contentTypes(t, w))
	require.Less(t, len(stored(w, "1")[1].Data), 600, "it was compressed before it was sealed")
	require.Equal(t, []any{longAnna, longIll, anna, noted{long}}, w.payloads("1"))
	w.forget("c-1")
	longForgotten := annaForgotten
	longForgotten.Country = long
	require.Equal(t, []any{longForgotten, illForgotten, annaForgotten, noted{long}}, w.payloads("1"))
}

func TestRedactedIsOfTheSameType(t *testing.T) {
	w := typedWorld[wronglyRedacted](t)
	_, err := w.store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(wronglyRedacted{})...)
	require.ErrorContains(t, err, "Redacted returned a privacy_test.noted: return a privacy_test.wronglyRedacted")
}

type wronglyRedacted struct{}

func (wronglyRedacted) PrivacySubject() string { return "c-1" }
func (wronglyRedacted) Redacted() any          { return noted{} }

// enrolled is what became of registered.
type enrolled struct {
	Customer  string `json:"customer" privacy:"subject"`
	FirstName string `json:"first_name" privacy:"personal"`
	LastName  string `json:"last_name" privacy:"personal"`
}

// An upcaster works on what was written, not on what is stored; and what its steps find in the place of forgotten data is
// of the type that they expect.
func TestUpcastersSeePlainData(t *testing.T) {
	w := inMemory(t, nil)
	w.append("1", anna)

	next := serializer.NewRegistry(nil)
	serializer.Register[enrolled](next, "customer.enrolled", serializer.Version(2), serializer.Alias("customer.signed_up"))
	serializer.Register[noted](next, "noted")
	v := upcaster.V
	chain, err := upcaster.New(
		upcaster.Rename(v("customer.registered", 1), v("customer.enrolled", 1)),
		upcaster.Split(v("customer.enrolled", 1), []upcaster.Type{v("customer.enrolled", 2), v("noted", 1)},
			func(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
				var old registered
				if err := c.Unmarshal(e.Data, &old); err != nil {
					return nil, err
				}
				first, last, _ := strings.Cut(old.Name, " ")
				data, err := c.Marshal(&enrolled{old.Customer, first, last})
				return []upcaster.Event{{Type: v("customer.enrolled", 2), Data: data},
					{Type: v("noted", 1), Data: []byte(`{"text":"born in the 19th century"}`)}}, err
			}))
	require.NoError(t, err)
	w.reg = next
	w.vault = w.open(nil)
	w.store, err = eventstore.New(w.drv, next, &eventstore.Options{Upcasters: chain, Protector: w.vault})
	require.NoError(t, err)
	require.Equal(t, []any{enrolled{"c-1", "Anna", "Karenina"}, noted{"born in the 19th century"}}, w.payloads("1"))
	w.append("1", enrolled{"c-1", "Anna", "Karenina"})

	w.forget("c-1")
	require.Equal(t, []any{enrolled{"c-1", "[forgotten]", ""}, noted{"born in the 19th century"}, enrolled{Customer: "c-1"}},
		w.payloads("1"), "the fallback is the one that was declared when the event was written")
}

func TestAnEventKeepsOpeningUnderANewName(t *testing.T) {
	w := inMemory(t, nil)
	w.append("1", anna)
	w.reg = serializer.NewRegistry(nil)
	serializer.Register[registered](w.reg, "customer.joined", serializer.Alias("customer.registered"))
	w.vault = w.open(nil)
	w.store = w.storeWith(w.vault)
	w.append("1", anna)
	require.Equal(t, []any{anna, anna}, w.payloads("1"))
	w.forget("c-1")
	require.Equal(t, []any{annaForgotten, annaForgotten}, w.payloads("1"))
}
