package privacy_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/serializer"
)

type registered struct {
	Customer string  `json:"customer" privacy:"subject"`
	Name     string  `json:"name" privacy:"personal,fallback=[forgotten]"`
	Born     int     `json:"born" privacy:"personal"`
	Home     address `json:"home" privacy:"personal"`
	Country  string  `json:"country"`
}

type address struct {
	Street string `json:"street"`
	Town   string `json:"town"`
}

// medical is sealed as a whole.
type medical struct {
	Patient   string `json:"patient"`
	Diagnosis string `json:"diagnosis"`
}

func (m medical) PrivacySubject() string { return m.Patient }
func (m medical) Redacted() any          { return medical{Patient: m.Patient, Diagnosis: "[forgotten]"} }

type plain struct {
	Text string `json:"text"`
}

func newRegistry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[registered](reg, "customer.registered")
	serializer.Register[medical](reg, "customer.diagnosed")
	serializer.Register[plain](reg, "noted")
	return reg
}

var anna = registered{Customer: "c-1", Name: "Anna Karenina", Born: 1848, Home: address{"Nevsky 1", "Petersburg"}, Country: "RU"}

var annaForgotten = registered{Customer: "c-1", Name: "[forgotten]", Country: "RU"}

// world is an event store with a vault.
type world struct {
	t      testing.TB
	drv    driver.Store
	keys   privacy.KeyStore
	master privacy.MasterKey
	vault  *privacy.Vault
	store  *eventstore.Store
}

func newWorld(t testing.TB) *world {
	drv := memory.New()
	w := &world{t: t, drv: drv, keys: drv, master: privacy.NewMasterKey()}
	w.vault = w.open(nil)
	w.store = w.storeWith(w.vault)
	return w
}

func (w *world) open(opts *privacy.Options) *privacy.Vault {
	v, err := privacy.Open(w.t.Context(), newRegistry(), w.keys, w.master, opts)
	require.NoError(w.t, err)
	return v
}

func (w *world) storeWith(v eventstore.Protector) *eventstore.Store {
	s, err := eventstore.New(w.drv, newRegistry(), &eventstore.Options{Protector: v})
	require.NoError(w.t, err)
	return s
}

func (w *world) append(payloads ...any) {
	w.t.Helper()
	_, err := w.store.Append(w.t.Context(), stream("1"), eventstore.Any, eventstore.Events(payloads...)...)
	require.NoError(w.t, err)
}

func (w *world) payloads() []any {
	w.t.Helper()
	var list []any
	for e, err := range w.store.Stream(w.t.Context(), stream("1"), nil) {
		require.NoError(w.t, err)
		list = append(list, e.Payload)
	}
	return list
}

func (w *world) raw() []string {
	w.t.Helper()
	var list []string
	for e, err := range w.store.Stream(w.t.Context(), stream("1"), &eventstore.StreamOptions{Raw: true}) {
		require.NoError(w.t, err)
		list = append(list, string(e.Raw))
	}
	return list
}

func stream(id string) eventstore.StreamID { return eventstore.StreamID{Type: "customer", ID: id} }

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
