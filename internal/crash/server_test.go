package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/projection"
)

// Blows to the server, and appends between two of them.
const (
	blows   = 5
	between = 150
)

func TestEveryAcknowledgedAppendIsThereOnceWhenTheServerIsStruck(t *testing.T) {
	t.Run("by kill -9 of the postmaster", func(t *testing.T) {
		cluster := pgtest.StartCluster(t, nil)
		strikeServer(t, cluster.DSN("postgres"), func() {
			require.NoError(t, cluster.Kill())
			require.NoError(t, cluster.Start(t.Context()))
		})
	})
	t.Run("by the end of all its sessions", func(t *testing.T) {
		database := pgtest.DSN(t)
		db, err := sqlx.Connect("postgres", database)
		require.NoError(t, err)
		defer db.Close()
		strikeServer(t, database, func() {
			_, err := db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			require.NoError(t, err)
		})
	})
}

// strikeServer appends, projects and reads the log while the server is struck again and again. Nobody is restarted.
func strikeServer(t *testing.T, database string, strike func()) {
	store, db := open(t.Context(), database)
	defer store.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	runner, err := projection.NewRunner(store, nil, counts())
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
		for range between {
			<-w.appended
		}
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

func (w *writersAtWork) run(ctx context.Context) error {
	defer func() {
		if w.left.Add(-1) == 0 {
			close(w.appended)
		}
	}()
	for !w.stop.Load() {
		events := eventstore.Events(ticked{1}, unrelated{2}, ticked{3})[:1+rand.IntN(3)]
		for i := range events {
			events[i].ID = w.store.NewID()
		}
		receipt, err := w.insist(ctx, counter(rand.IntN(streams)), events)
		if err != nil {
			return err
		}
		w.note(receipt, len(events))
	}
	return nil
}

// insist tries again whatever may help, as the documentation of Append says.
func (w *writersAtWork) insist(ctx context.Context, stream eventstore.StreamID, events []eventstore.NewEvent) (eventstore.Receipt, error) {
	for {
		receipt, err := w.store.Append(ctx, stream, eventstore.Any, events...)
		if err == nil || !eventstore.Retryable(err) {
			return receipt, err
		}
	}
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
