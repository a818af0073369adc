package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
	"github.com/tidemark-go/tidemark/projection"
)

const workers = 3

func TestEachEventIsAppliedOnceHoweverProcessesAreKilledAndFrozen(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { chaos(t, filepath.Join(t.TempDir(), "chaos.db")) })
	t.Run("Postgres", func(t *testing.T) { chaos(t, pgtest.DSN(t)) })
}

// chaos appends while workers are struck.
func chaos(t *testing.T, database string) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	strikes := torture.Rounds(t, 4)
	s := newScene(t, database, strikes)
	appended := make(chan struct{})
	go func() {
		defer close(appended)
		s.append(strikes)
	}()
	for range strikes {
		s.strike(random)
	}
	s.calm.Store(true)
	<-appended
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	for i := range projections {
		require.NoError(t, s.runner.WaitFor(t.Context(), table(i), head), s.complaints())
	}
	s.requireReplayed()
	for _, w := range s.workers {
		w.kill()
	}
}

// scene is a database, the processes at work on it, and a runner that only looks.
type scene struct {
	t       *testing.T
	name    string
	store   *eventstore.Store
	db      *sqlx.DB
	runner  *projection.Runner
	workers [workers]*worker
	streams int
	calm    atomic.Bool // nothing is struck any more
}

func newScene(t *testing.T, database string, strikes int) *scene {
	t.Helper()
	store, db := open(t.Context(), database)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	runner, err := projection.NewRunner(store, options(), all()...)
	require.NoError(t, err)
	s := &scene{t: t, name: database, store: store, db: db, runner: runner, streams: 25 * strikes}
	for i := range s.workers {
		s.workers[i] = startWorker(t, database)
	}
	return s
}

const (
	leastEvents = 625 // for each strike
	writeSize   = 10  // streams that are appended to at a time
	lead        = 1000
)

// append stores events, for as long as there are strikes and some at the least. It keeps a lead: there is always something
// to handle when a process is struck, and never more than the slowest projection can make up for.
func (s *scene) append(strikes int) {
	last, reached := int64(0), int64(0)
	for n := 0; n < leastEvents*strikes || !s.calm.Load(); n += writeSize {
		if n%lead == 0 {
			for i := range projections {
				s.untilDone(func() error { return s.runner.WaitFor(s.t.Context(), table(i), reached) })
			}
			reached = last
		}
		writes := make([]eventstore.Write, writeSize)
		for i := range writes {
			writes[i] = eventstore.Write{Stream: eventstore.StreamID{Type: "account", ID: fmt.Sprint((n + i) % s.streams)},
				Expected: eventstore.Any, Events: eventstore.Events(moved{n})}
			writes[i].Events[0].ID = s.store.NewID()
		}
		s.untilDone(func() error {
			receipts, err := s.store.AppendAll(s.t.Context(), writes...)
			if err == nil {
				last = receipts[writeSize-1].Position
			}
			return err
		})
	}
}

// untilDone repeats what an outage keeps from being done.
func (s *scene) untilDone(f func() error) {
	for err := f(); err != nil; err = f() {
		if !eventstore.Retryable(err) {
			s.t.Error(err)
			runtime.Goexit()
		}
	}
}

// strike kills a process and starts another one, or freezes one until others have its partitions, for a few leases at most:
// one that is frozen in a transaction on SQLite holds up all.
func (s *scene) strike(random *rand.Rand) {
	s.t.Helper()
	i := random.IntN(workers)
	s.await(s.workers[i], true, 20*lease)
	if random.IntN(2) == 0 {
		s.workers[i].kill()
		s.workers[i] = startWorker(s.t, s.name)
		return
	}
	s.workers[i].signal(syscall.SIGSTOP)
	s.await(s.workers[i], false, 4*lease)
	s.workers[i].signal(syscall.SIGCONT)
}

// await returns when a worker owns some partitions, or none, or after a time.
func (s *scene) await(w *worker, owns bool, atMost time.Duration) {
	s.t.Helper()
	over := time.After(atMost)
	for look := time.NewTicker(lease / 10); ; {
		select {
		case <-over:
			look.Stop()
			return
		case <-look.C:
			if s.has(w) == owns {
				look.Stop()
				return
			}
		}
	}
}

func (s *scene) has(w *worker) bool {
	status, err := s.runner.Status(s.t.Context())
	if err != nil {
		return false // an outage: the next look tells
	}
	for _, each := range status {
		for _, p := range each.Partitions {
			if w.owns(p.Owner) {
				return true
			}
		}
	}
	return false
}

type row struct {
	Stream string
	N, Mix int64
}

func (s *scene) requireReplayed() {
	s.t.Helper()
	want := map[string]row{}
	events := 0
	for e, err := range s.store.All(s.t.Context(), 0, nil) {
		require.NoError(s.t, err)
		r := want[e.Stream.ID]
		r.Stream, r.N = e.Stream.ID, r.N+1
		if r.N == 1 {
			r.Mix = e.Version
		} else {
			r.Mix = (r.Mix*31 + e.Version) % 1000000007
		}
		want[e.Stream.ID] = r
		events++
	}
	for i := range projections {
		var rows []row
		require.NoError(s.t, s.db.SelectContext(s.t.Context(), &rows, `SELECT * FROM `+table(i)))
		got := map[string]row{}
		for _, r := range rows {
			got[r.Stream] = r
		}
		require.Equal(s.t, want, got, table(i))
	}
	s.t.Logf("%d events of %d streams", events, len(want))
}

func (s *scene) complaints() (all string) {
	for _, w := range s.workers {
		all += w.complaints()
	}
	return all
}
