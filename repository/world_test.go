package repository_test

import (
	"bytes"
	"cmp"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
)

// world is one database with a store over it, and what a repository said to its logger and to OnLoad.
type world struct {
	drv   *faulty
	store *eventstore.Store

	mu    sync.Mutex
	log   bytes.Buffer
	loads []repository.Loaded
}

func newWorld(t *testing.T, b backend) *world {
	t.Helper()
	w := &world{drv: &faulty{backend: b}}
	chain, err := upcasters()
	require.NoError(t, err)
	w.store = w.newStore(t, newRegistry(), &eventstore.Options{Upcasters: chain})
	return w
}

// newStore returns another program's store over the same database.
func (w *world) newStore(t *testing.T, reg *serializer.Registry, opts *eventstore.Options) *eventstore.Store {
	t.Helper()
	var drv driver.Store = w.drv
	if transactor, ok := w.drv.backend.(driver.Transactor); ok {
		drv = transacting{w.drv, transactor}
	}
	store, err := eventstore.New(drv, reg, opts)
	require.NoError(t, err)
	return store
}

// onEvery runs a test on each driver, on a database of its own.
func onEvery(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("memory", func(t *testing.T) { test(t, newWorld(t, memory.New())) })
	onTransactional(t, test)
}

// onTransactional runs a test on each driver that has transactions.
func onTransactional(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("SQLite", func(t *testing.T) {
		drv, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "events.db"),
			&sqlite.Options{Synchronous: sqlite.Normal})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, drv.Close()) })
		test(t, newWorld(t, drv))
	})
}

// accounts returns a repository that w listens to and that hardly waits between tries.
func (w *world) accounts(t *testing.T, opts repository.Options) *repository.Repository[*account] {
	t.Helper()
	w.listen(&opts)
	opts.Backoff = cmp.Or(opts.Backoff, time.Microsecond)
	accounts, err := newAccounts(w.store, &opts)
	require.NoError(t, err)
	return accounts
}

func (w *world) listen(opts *repository.Options) {
	opts.Logger = slog.New(slog.NewTextHandler(w, nil))
	opts.OnLoad = func(l repository.Loaded) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.loads = append(w.loads, l)
	}
}

// Write takes what the repository logs.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *world) lastLoad(t *testing.T) repository.Loaded {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.loads, "nothing was loaded")
	return w.loads[len(w.loads)-1]
}

func stream(id string) eventstore.StreamID { return eventstore.StreamID{Type: "account", ID: id} }

// payloads returns what a stream holds, checking that its versions have no gaps.
func (w *world) payloads(t *testing.T, id string) []any {
	t.Helper()
	var all []any
	for e, err := range w.store.Stream(t.Context(), stream(id), nil) {
		require.NoError(t, err)
		all = append(all, e.Payload)
	}
	return all
}

// append stores events past the repository, as another process would.
func (w *world) append(t *testing.T, id string, payloads ...any) {
	t.Helper()
	_, err := w.store.Append(t.Context(), stream(id), eventstore.Any, eventstore.Events(payloads...)...)
	require.NoError(t, err)
}

// appendOld stores events as the older program did.
func (w *world) appendOld(t *testing.T, id string, payloads ...any) {
	t.Helper()
	old := w.newStore(t, newOldRegistry(), nil)
	_, err := old.Append(t.Context(), stream(id), eventstore.Any, eventstore.Events(payloads...)...)
	require.NoError(t, err)
}

// replayed returns the account and the version that the whole stream gives, without the repository.
func (w *world) replayed(t *testing.T, id string) *account {
	t.Helper()
	a := newAccount(id)
	storage, err := aggregate.StorageOf(a)
	require.NoError(t, err)
	opts := eventstore.StreamOptions{Reached: storage.SetVersion}
	for e, err := range w.store.Stream(t.Context(), stream(id), &opts) {
		require.NoError(t, err)
		require.NoError(t, storage.Replay(e.Version, e.Payload))
	}
	return a
}

// sameAccount fails the test unless both accounts are at one version and in one state.
func sameAccount(t *testing.T, want, got *account) {
	t.Helper()
	require.Equal(t, want.Version(), got.Version())
	require.Equal(t, want.state, got.state)
}

func load(t *testing.T, accounts *repository.Repository[*account], id string) *account {
	t.Helper()
	a, err := accounts.Load(t.Context(), id)
	require.NoError(t, err)
	return a
}

func update(t *testing.T, accounts *repository.Repository[*account], id string, decide func(*account) error) *account {
	t.Helper()
	a, err := accounts.Update(t.Context(), id, decide)
	require.NoError(t, err)
	return a
}
