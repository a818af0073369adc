package projection_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
)

// entry is implemented by the events that change a balance.
type entry interface{ cents() int }

type (
	deposited struct{ Cents int }
	withdrawn struct{ Cents int }
	renamed   struct{ Name string }
)

func (d deposited) cents() int { return d.Cents }
func (w withdrawn) cents() int { return -w.Cents }

func newRegistry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[deposited](reg, "account.deposited")
	serializer.Register[withdrawn](reg, "account.withdrawn")
	serializer.Register[renamed](reg, "account.renamed")
	return reg
}

// newTextRegistry is of a program in which deposits are something else.
func newTextRegistry[T any]() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[T](reg, "account.deposited")
	return reg
}

// world is a database, a store over it, a read model of balances, and what runners said to their logger.
type world struct {
	wrap     func(f *faults) driver.Store
	faults   *faults
	store    *eventstore.Store
	balances balances
	log      *syncBuffer
	atomic   bool          // read model and checkpoint commit together
	single   bool          // the database has one writer
	shared   bool          // reading and writing share a connection
	poll     time.Duration // of its stores; 0 for the default
}

// onEvery runs a test on each driver, in a bubble whose time is the test's own, and which fails if a goroutine is left.
func onEvery(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		inMemory(t, test)
	})
	onSQL(t, test)
}

func inMemory(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { test(t, newMemoryWorld(t)) })
}

// onSQL runs a test on each driver that has transactions.
func onSQL(t *testing.T, test func(t *testing.T, w *world)) {
	onSQLite(t, test)
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.DSN(t)
		synctest.Test(t, func(t *testing.T) { test(t, newPostgresWorld(t, dsn)) })
	})
}

func onSQLite(t *testing.T, test func(t *testing.T, w *world)) {
	for name, path := range map[string]string{
		"SQLite in a file": filepath.Join(t.TempDir(), "events.db"), "SQLite in memory": ":memory:",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newSQLiteWorld(t, path)) })
		})
	}
}

func newMemoryWorld(t *testing.T) *world {
	t.Helper()
	drv := memory.New()
	return newWorld(t, &world{balances: &mapBalances{cents: map[string]int{}},
		wrap: func(f *faults) driver.Store { return faultyWaiter{faulty{drv, f}, drv} }})
}

func newSQLiteWorld(t *testing.T, path string) *world {
	t.Helper()
	d, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	d.DB().MustExec(`CREATE TABLE balance (account TEXT PRIMARY KEY, cents INTEGER NOT NULL) STRICT`)
	return newWorld(t, &world{balances: tableBalances{d.DB()}, atomic: true, single: true, shared: path == ":memory:",
		wrap: func(f *faults) driver.Store { return faultySQL{faultyTransactor{faulty{d, f}, d}, d} }})
}

// newPostgresWorld leaves out that the driver hears of commits: for a connection that waits for news the bubble would
// have to wait, and its time would stand still. Its stores look by themselves, as seldom as if they heard.
func newPostgresWorld(t *testing.T, dsn string) *world {
	t.Helper()
	d, err := postgres.Open(t.Context(), dsn, nil)
	require.NoError(t, err)
	d.DB().MustExec(`CREATE TABLE balance (account TEXT PRIMARY KEY, cents BIGINT NOT NULL)`)
	return newWorld(t, &world{balances: tableBalances{d.DB()}, atomic: true, poll: time.Second,
		wrap: func(f *faults) driver.Store { return faultyTransactor{faulty{d, f}, d} }})
}

func newWorld(t *testing.T, w *world) *world {
	t.Helper()
	w.faults, w.log = &faults{}, &syncBuffer{}
	w.store = w.open(t, newRegistry(), nil)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	return w
}

// open returns a store over the world's database, which is closed with the world.
func (w *world) open(t *testing.T, reg *serializer.Registry, opts *eventstore.Options) *eventstore.Store {
	t.Helper()
	var o eventstore.Options
	if opts != nil {
		o = *opts
	}
	o.PollInterval = cmp.Or(o.PollInterval, w.poll)
	store, err := eventstore.New(w.wrap(w.faults), reg, &o)
	require.NoError(t, err)
	return store
}

// process returns the same world as another process sees it: with a store and with faults of its own.
func (w *world) process(t *testing.T) *world {
	t.Helper()
	other := *w
	other.faults, other.log = &faults{}, &syncBuffer{}
	other.store = other.open(t, newRegistry(), nil)
	return &other
}

// withoutOwners returns the same world with a driver that has transactions and knows no owners.
func (w *world) withoutOwners(t *testing.T) *world {
	t.Helper()
	other, wrap := *w, w.wrap
	other.wrap = func(f *faults) driver.Store {
		d := wrap(f)
		return unleased{d, d.(driver.Checkpointer), d.(driver.Transactor)}
	}
	other.store = other.open(t, newRegistry(), nil)
	return &other
}

func account(id string) eventstore.StreamID { return eventstore.StreamID{Type: "account", ID: id} }

// append stores events and returns the position of the last one.
func (w *world) append(t *testing.T, id string, payloads ...any) int64 {
	t.Helper()
	r, err := w.store.Append(t.Context(), account(id), eventstore.Any, eventstore.Events(payloads...)...)
	require.NoError(t, err)
	return r.Position
}

// deposit stores n events in some accounts, and returns the position of the last one.
func (w *world) deposit(t *testing.T, n int) (position int64) {
	t.Helper()
	for i := range n {
		position = w.append(t, fmt.Sprint(i%7), deposited{1 << (i % 20)})
	}
	return position
}

// replay returns the balances that the events say.
func (w *world) replay(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for e, err := range w.store.All(t.Context(), 0, nil) {
		require.NoError(t, err)
		if p, ok := e.Payload.(entry); ok {
			all[e.Stream.ID] += p.cents()
		}
	}
	return all
}

func (w *world) requireReplayed(t *testing.T) {
	t.Helper()
	require.Equal(t, w.replay(t), w.balances.all(t))
}

func (w *world) checkpoint(t *testing.T, name string) int64 {
	t.Helper()
	position, err := w.store.LoadCheckpoint(t.Context(), name)
	require.NoError(t, err)
	return position
}

// projection returns a projection that keeps the balances.
func (w *world) projection(name string, opts *projection.Options) *projection.Projection {
	p := projection.New(name, opts)
	projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
		return w.balances.add(ctx, e.Stream.ID, e.Payload.cents())
	})
	return p
}

func (w *world) runner(t *testing.T, opts *projection.RunnerOptions, ps ...*projection.Projection) *projection.Runner {
	t.Helper()
	var o projection.RunnerOptions
	if opts != nil {
		o = *opts
	}
	o.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r, err := projection.NewRunner(w.store, &o, ps...)
	require.NoError(t, err)
	return r
}

// running is a runner whose Run is under way.
type running struct {
	*projection.Runner
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
}

func start(t *testing.T, r *projection.Runner) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	run := &running{Runner: r, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(run.ended)
		run.err = r.Run(ctx)
	}()
	t.Cleanup(func() { _ = run.stop() })
	return run
}

func (w *world) start(t *testing.T, ps ...*projection.Projection) *running {
	t.Helper()
	return start(t, w.runner(t, nil, ps...))
}

// stop ends the run and returns what Run returned.
func (r *running) stop() error {
	r.cancel()
	return r.wait()
}

// wait returns what Run returns, when it does.
func (r *running) wait() error {
	<-r.ended
	return r.err
}

// reach waits until a projection has handled a position.
func (r *running) reach(t *testing.T, name string, position int64) {
	t.Helper()
	require.NoError(t, r.WaitFor(t.Context(), name, position))
}

func (r *running) status(t *testing.T) projection.Status {
	t.Helper()
	all, err := r.Status(t.Context())
	require.NoError(t, err)
	return all[0]
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
