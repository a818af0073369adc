package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
	"github.com/tidemark-go/tidemark/projection"
)

// Appends between two blows.
const between = 100

func TestEveryAcknowledgedAppendIsThereOnceWhenTheServerIsStruck(t *testing.T) {
	t.Parallel()
	t.Run("by kill -9 of the postmaster", func(t *testing.T) {
		t.Parallel()
		cluster := pgtest.StartCluster(t, nil)
		strikeServer(t, cluster.DSN("postgres"), torture.Rounds(t, 4), func() {
			require.NoError(t, cluster.Kill())
			require.NoError(t, cluster.Start(t.Context()))
		})
	})
	t.Run("by a halt of all its processes", func(t *testing.T) {
		t.Parallel()
		cluster := pgtest.StartCluster(t, nil)
		strikeServer(t, cluster.DSN("postgres"), torture.Rounds(t, 4), func() {
			require.NoError(t, cluster.Pause())
			time.Sleep(rand.N(500 * time.Millisecond))
			require.NoError(t, cluster.Resume())
		})
	})
	t.Run("by the end of all its sessions", func(t *testing.T) {
		t.Parallel()
		database := pgtest.DSN(t)
		db := connect(t, database)
		strikeServer(t, database, torture.Rounds(t, 5), func() { terminate(t, db, 1000) })
	})
	t.Run("by the network, in all its ways", func(t *testing.T) {
		t.Parallel()
		database := pgtest.DSN(t)
		n := &network{t: t, proxy: fault.Start(t, database), db: connect(t, database)}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		n.random = rand.New(rand.NewPCG(seed, 0))
		strikeServer(t, n.proxy.DSN()+"&connect_timeout=2", torture.Rounds(t, 10), n.strike)
	})
}

func connect(t *testing.T, database string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Connect("postgres", database)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// terminate ends some sessions of others.
func terminate(t *testing.T, db *sqlx.DB, most int) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT $1) s`, most)
	require.NoError(t, err)
}

// network is one that does all kinds of harm.
type network struct {
	t      *testing.T
	proxy  *fault.Proxy
	db     *sqlx.DB // past the proxy
	random *rand.Rand
}

// strike undoes the harm of the last time, and does another.
func (n *network) strike() {
	n.proxy.Heal()
	n.proxy.Delay(nil)
	moment := time.Duration(n.random.IntN(100)) * time.Millisecond
	switch n.random.IntN(8) {
	case 0:
		n.proxy.Cut()
	case 1:
		n.proxy.Refuse()
		time.Sleep(moment)
		n.proxy.Heal()
	case 2, 3:
		n.proxy.Silence()
		time.Sleep(moment)
		n.proxy.Heal()
		n.proxy.Cut() // so that those end, too, who have set no deadline
	case 4:
		n.proxy.Delay(func() time.Duration { return rand.N(moment/10 + 1) })
	case 5:
		n.proxy.CutBefore("counter")
	case 6:
		n.proxy.CutAfter("counter")
	case 7:
		terminate(n.t, n.db, 2)
	}
}

// strikeServer appends, projects and reads the log while the server is struck again and again. Nobody is restarted.
func strikeServer(t *testing.T, database string, blows int, strike func()) {
	store, db := open(t.Context(), database)
	defer store.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	runner, err := projection.NewRunner(store, hasty(), counts())
	require.NoError(t, err)
	var group sync.WaitGroup
	group.Go(func() { require.NoError(t, runner.Run(ctx)) })

	w := newWriters(store, blows*between)
	for range writers {
		group.Go(func() { require.NoError(t, w.run(ctx)) })
	}
	reader := follower{seen: map[int64]int{}, moved: make(chan struct{}, 1)}
	group.Go(func() { reader.run(ctx, store) })
	for range blows {
		w.await(t, between)
		strike()
	}
	w.stop.Store(true)
	for range w.appended {
	}
	requireStored(t, store, w.acknowledged)

	want := replayed(t, store)
	head, err := store.Head(ctx)
	require.NoError(t, err)
	require.NoError(t, runner.WaitFor(ctx, "counts", head))
	reader.waitFor(head)
	cancel()
	group.Wait()
	require.Equal(t, want, readModel(t, db))
	requireAll(t, store, reader.seen)
	t.Logf("%d events were acknowledged through %d blows", len(w.acknowledged), blows)
}

// writersAtWork append until they are stopped, each append with ids of its own until it has an answer.
type writersAtWork struct {
	store    *eventstore.Store
	stop     atomic.Bool
	appended chan struct{} // one for each append; closed when the last writer has stopped
	left     atomic.Int32

	mu           sync.Mutex
	acknowledged map[string]bool
}

func newWriters(store *eventstore.Store, room int) *writersAtWork {
	w := &writersAtWork{store: store, appended: make(chan struct{}, room), acknowledged: map[string]bool{}}
	w.left.Store(writers)
	return w
}

// await waits until something was appended so many times. A writer that never gets on is to fail the test, not to hang it.
func (w *writersAtWork) await(t *testing.T, times int) {
	t.Helper()
	const patience = 2 * time.Minute
	late := time.After(patience)
	for range times {
		select {
		case <-w.appended:
		case <-late:
			require.FailNow(t, "appends don't get on", "not %d of them within %v", times, patience)
		}
	}
}

func (w *writersAtWork) run(ctx context.Context) error {
	defer func() {
		if w.left.Add(-1) == 0 {
			close(w.appended)
		}
	}()
	for !w.stop.Load() {
		events := newEvents(w.store, 1)
		receipt, err := insist(ctx, w.store, counter(rand.IntN(streams)), events)
		if err != nil {
			return err
		}
		w.note(receipt, len(events))
	}
	return nil
}

func (w *writersAtWork) note(receipt eventstore.Receipt, events int) {
	w.mu.Lock()
	for back := range events {
		w.acknowledged[fmt.Sprintf("%s %d", receipt.Stream, receipt.Version-int64(back))] = true
	}
	w.mu.Unlock()
	select {
	case w.appended <- struct{}{}:
	default: // the blows are over, or late
	}
}

// follower subscribes, and subscribes again from where it was when the connection is lost. It counts how often it was
// handed each position.
type follower struct {
	last  atomic.Int64
	moved chan struct{}
	seen  map[int64]int
}

func (f *follower) run(ctx context.Context, store *eventstore.Store) {
	for ctx.Err() == nil {
		for e, err := range store.Subscribe(ctx, f.last.Load(), nil) {
			if err != nil {
				break
			}
			f.seen[e.Position]++
			f.last.Store(e.Position)
			select {
			case f.moved <- struct{}{}:
			default:
			}
		}
	}
}

func (f *follower) waitFor(position int64) {
	for f.last.Load() < position {
		<-f.moved
	}
}

// requireAll compares what a follower has seen with the log.
func requireAll(t *testing.T, store *eventstore.Store, seen map[int64]int) {
	t.Helper()
	for e, err := range store.All(t.Context(), 0, nil) {
		require.NoError(t, err)
		require.Equal(t, 1, seen[e.Position], "position %d", e.Position)
	}
}
