package privacy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
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

// diagnosed is sealed as a whole.
type diagnosed struct {
	Patient   string `json:"patient"`
	Diagnosis string `json:"diagnosis"`
}

func (d diagnosed) PrivacySubject() string { return d.Patient }
func (d diagnosed) Redacted() any          { return diagnosed{Patient: d.Patient, Diagnosis: "[forgotten]"} }

type noted struct {
	Text string `json:"text"`
}

func newRegistry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[registered](reg, "customer.registered")
	serializer.Register[diagnosed](reg, "customer.diagnosed")
	serializer.Register[noted](reg, "noted")
	return reg
}

var (
	anna = registered{Customer: "c-1", Name: "Anna Karenina", Born: 1848, Home: address{"Nevsky 1", "Petersburg"},
		Country: "RU"}
	annaForgotten = registered{Customer: "c-1", Name: "[forgotten]", Country: "RU"}

	ill          = diagnosed{Patient: "c-1", Diagnosis: "melancholia"}
	illForgotten = diagnosed{Patient: "c-1", Diagnosis: "[forgotten]"}

	emma = registered{Customer: "c-2", Name: "Emma Bovary", Born: 1830, Home: address{"Rue 2", "Yonville"}, Country: "FR"}

	// secrets are what nobody may find once Anna is forgotten.
	secrets = []string{"Anna", "Karenina", "1848", "Nevsky", "Petersburg", "melancholia"}
)

// world is an event store with a vault, on a database of its own.
type world struct {
	*testing.T
	drv    driver.Store
	db     *sqlx.DB // of drv; nil in memory
	events string   // the name of their table
	dumps  []func() string
	// oneConnection says that nobody can read while a transaction is open.
	oneConnection bool
	keys          privacy.KeyStore
	master        privacy.MasterKey
	reg           *serializer.Registry
	vault         *privacy.Vault
	store         *eventstore.Store
}

// onEach runs a test on each driver, with the keys beside the events, and on SQLite with the keys elsewhere, too.
func onEach(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T, w *world){
		"memory": func(_ *testing.T, w *world) {
			drv := memory.New()
			w.drv, w.keys = drv, drv
			w.dumps = append(w.dumps, func() string { return dumpMemory(w, drv) })
		},
		"SQLite": func(t *testing.T, w *world) {
			drv := w.openSQLite(filepath.Join(t.TempDir(), "events.db"))
			w.drv, w.db, w.keys = drv, drv.DB(), drv
		},
		"SQLite in memory": func(t *testing.T, w *world) {
			drv := w.openSQLite(":memory:")
			w.drv, w.db, w.keys = drv, drv.DB(), drv
		},
		"SQLite with keys elsewhere": func(t *testing.T, w *world) {
			drv := w.openSQLite(filepath.Join(t.TempDir(), "events.db"))
			w.drv, w.db, w.keys = drv, drv.DB(), w.openSQLite(filepath.Join(t.TempDir(), "keys.db"))
		},
		"Postgres": func(t *testing.T, w *world) {
			drv := w.openPostgres()
			w.drv, w.db, w.keys = drv, drv.DB(), drv
		},
		"Postgres with keys in SQLite": func(t *testing.T, w *world) {
			drv := w.openPostgres()
			w.drv, w.db, w.keys = drv, drv.DB(), w.openSQLite(filepath.Join(t.TempDir(), "keys.db"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{T: t, events: "events", master: privacy.NewMasterKey(), reg: newRegistry()}
			open(t, w)
			w.vault = w.open(nil)
			w.store = w.storeWith(w.vault)
			test(t, w)
		})
	}
}

// inMemory returns a world on the reference driver, with a key store of its own kind if one is given.
func inMemory(t *testing.T, keys privacy.KeyStore) *world {
	drv := memory.New()
	w := &world{T: t, drv: drv, keys: keys, master: privacy.NewMasterKey(), reg: newRegistry()}
	if keys == nil {
		w.keys = drv
	}
	w.vault = w.open(nil)
	w.store = w.storeWith(w.vault)
	return w
}

func (w *world) openSQLite(path string) *sqlite.Store {
	w.Helper()
	s, err := sqlite.Open(w.Context(), path, nil)
	require.NoError(w, err)
	w.Cleanup(func() { require.NoError(w, s.Close()) })
	w.oneConnection = path == ":memory:"
	w.dumps = append(w.dumps, func() string {
		if path == ":memory:" {
			return dumpTables(w, s.DB(), tablesOfSQLite)
		}
		return dumpFiles(w, s.DB(), path)
	})
	return s
}

func (w *world) openPostgres() *postgres.Store {
	w.Helper()
	s, err := postgres.Open(w.Context(), pgtest.DSN(w), nil)
	require.NoError(w, err)
	w.Cleanup(func() { require.NoError(w, s.Close()) })
	w.dumps = append(w.dumps, func() string { return dumpTables(w, s.DB(), tablesOfPostgres) })
	w.events = "tidemark.events"
	return s
}

// open returns one more vault on the same keys, as another process would.
func (w *world) open(opts *privacy.Options) *privacy.Vault {
	w.Helper()
	v, err := privacy.Open(w.Context(), w.reg, w.keys, w.master, opts)
	require.NoError(w, err)
	return v
}

// storeWith returns one more store on the same driver.
func (w *world) storeWith(p eventstore.Protector) *eventstore.Store {
	w.Helper()
	s, err := eventstore.New(w.drv, w.reg, &eventstore.Options{Protector: p})
	require.NoError(w, err)
	return s
}

func (w *world) append(id string, payloads ...any) {
	w.Helper()
	_, err := w.store.Append(w.Context(), stream(id), eventstore.Any, eventstore.Events(payloads...)...)
	require.NoError(w, err)
}

func (w *world) forget(subject string) {
	w.Helper()
	_, err := w.vault.Forget(w.Context(), subject)
	require.NoError(w, err)
}

// payloads returns what a stream holds.
func (w *world) payloads(id string) []any {
	w.Helper()
	return payloads(w, w.store, id)
}

func payloads(w *world, s *eventstore.Store, id string) []any {
	w.Helper()
	var list []any
	for e, err := range s.Stream(w.Context(), stream(id), nil) {
		require.NoError(w, err)
		list = append(list, e.Payload)
	}
	return list
}

// streamErr returns the error with which reading a stream ends, and what came before it.
func streamErr(w *world, s *eventstore.Store, id string) (before []any, err error) {
	for e, err := range s.Stream(w.Context(), stream(id), nil) {
		if err != nil {
			return before, err
		}
		before = append(before, e.Payload)
	}
	return before, nil
}

// raw returns what a stream holds as it is stored.
func (w *world) raw(id string) []string {
	w.Helper()
	var list []string
	for e, err := range w.store.Stream(w.Context(), stream(id), &eventstore.StreamOptions{Raw: true}) {
		require.NoError(w, err)
		list = append(list, string(e.Raw))
	}
	return list
}

func stream(id string) eventstore.StreamID { return eventstore.StreamID{Type: "customer", ID: id} }

func requireNoSecrets(t testing.TB, text string) {
	t.Helper()
	for _, secret := range secrets {
		require.False(t, strings.Contains(text, secret), "%q is there in plain", secret)
	}
}
