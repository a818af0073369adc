package postgres_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// watching is a Watch call that has begun to hear.
type watching struct {
	wakes  chan struct{}
	cancel context.CancelFunc
	ended  chan error
}

func watch(t *testing.T, s *postgres.Store) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{wakes: make(chan struct{}, 1000), cancel: cancel, ended: make(chan error, 1)}
	go func() { w.ended <- s.Watch(ctx, func() { w.wakes <- struct{}{} }) }()
	t.Cleanup(cancel)
	w.woken(t)
	return w
}

func (w *watching) woken(t *testing.T) {
	t.Helper()
	select {
	case <-w.wakes:
	case err := <-w.ended:
		require.NoError(t, err, "Watch has ended")
	case <-time.After(patience):
		require.Fail(t, "not woken")
	}
}

func (w *watching) endsWith(t *testing.T) error {
	t.Helper()
	select {
	case err := <-w.ended:
		return err
	case <-time.After(patience):
		require.Fail(t, "Watch goes on")
		return nil
	}
}

func TestAnotherProcessIsWokenSoon(t *testing.T) {
	dsn := pgtest.DSN(t)
	one, two := open(t, dsn, nil), open(t, dsn, nil)
	w := watch(t, two)
	var took []time.Duration
	for range 40 {
		commit(t, t.Context(), one, appends(order("a"), driver.Any, 1))
		began := time.Now()
		w.woken(t)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("median %v, longest %v", took[len(took)/2], took[len(took)-1])
	require.Less(t, took[len(took)/2], 500*time.Millisecond, "half of what polling would take, on however slow a machine")
}

func TestNotificationsAreFewerThanCommits(t *testing.T) {
	dsn := pgtest.DSN(t)
	writer := open(t, dsn, &postgres.Options{NotifyInterval: time.Hour})
	other := open(t, dsn, nil)
	w := watch(t, other)
	for range 50 {
		commit(t, t.Context(), writer, appends(order("a"), driver.Any, 1))
	}
	w.woken(t)
	require.NoError(t, writer.DB().PingContext(t.Context()))
	require.Empty(t, w.wakes, "the first commit is told at once, the others within the interval, which has not passed")
}

func TestTheLastCommitIsToldWhenTheStoreCloses(t *testing.T) {
	dsn := pgtest.DSN(t)
	w := watch(t, open(t, dsn, nil))
	writer, err := postgres.Open(t.Context(), dsn, &postgres.Options{NotifyInterval: time.Hour})
	require.NoError(t, err)
	commit(t, t.Context(), writer, appends(order("a"), driver.Any, 1))
	w.woken(t)
	commit(t, t.Context(), writer, appends(order("a"), driver.Any, 1))
	require.NoError(t, writer.Close())
	w.woken(t)
}

func TestNobodyIsToldOfNothing(t *testing.T) {
	s := fresh(t)
	w := watch(t, s)
	tx := begin(t, s)
	tx.commit(s, appends(order("a"), driver.Any, 1))
	tx.do(func(ctx context.Context) {
		_, err := s.Commit(ctx, []driver.Write{appends(order("a"), 7, 1)})
		require.Error(t, err)
	})
	require.Empty(t, w.wakes, "before the transaction's end")
	tx.commits()
	w.woken(t)
	tx = begin(t, s)
	tx.exec(`SELECT 1`)
	tx.rollsBack()
	commit(t, t.Context(), s, driver.Write{Stream: order("a"), Expected: driver.StreamExists})
	require.Empty(t, w.wakes, "after a transaction without appends and a mere check")
}

// What was committed above an append that is not stored in the end can be read from then on, and nothing else may come to
// wake who waits for it.
func TestReadersAreToldOfTheEndOfWhatHeldTheMark(t *testing.T) {
	dsn := pgtest.DSN(t)
	s := open(t, dsn, nil)
	here, elsewhere := watch(t, s), watch(t, open(t, dsn, nil))
	told := func() {
		t.Helper()
		here.woken(t)
		elsewhere.woken(t)
	}
	t.Run("a transaction that is rolled back", func(t *testing.T) {
		tx := begin(t, s)
		tx.commit(s, appends(order("held"), driver.Any, 1))
		commit(t, t.Context(), s, appends(order("a"), driver.Any, 1))
		told()
		require.Empty(t, readAll(t, t.Context(), s, 0).Records)
		tx.rollsBack()
		told()
		require.Len(t, readAll(t, t.Context(), s, 0).Records, 1)
	})
	taken := appends(order("a"), driver.Any, 1)
	commit(t, t.Context(), s, taken)
	told()
	taken.Stream = order("b")
	for name, w := range map[string]driver.Write{
		"a conflict":           appends(order("a"), 7, 1),
		"ids that are stored":  taken,
		"a payload that fails": {Stream: order("a"), Expected: driver.Any, Events: []driver.Event{event("{")}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Commit(t.Context(), []driver.Write{w})
			require.Error(t, err)
			told()
		})
		t.Run(name+", inside a transaction that goes on", func(t *testing.T) {
			tx := begin(t, s)
			tx.do(func(ctx context.Context) {
				_, err := s.Commit(ctx, []driver.Write{w})
				require.Error(t, err)
			})
			told()
			tx.rollsBack()
		})
	}
}

func TestALostConnectionEndsTheWatch(t *testing.T) {
	dsn := pgtest.DSN(t)
	s := open(t, with(dsn, "application_name", "watched"), nil)
	for range 3 {
		first, second := watch(t, s), watch(t, s)
		eventually(t, func() bool { // the one before may take a moment to go
			return get[int](t, s.DB(), `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND query LIKE 'LISTEN%'`) == 1
		}, "one connection listens, for two watchers")
		s.DB().MustExec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
		for _, w := range []*watching{first, second} {
			require.ErrorIs(t, w.endsWith(t), driver.ErrUnavailable)
		}
	}
	w := watch(t, s)
	commit(t, t.Context(), open(t, dsn, nil), appends(order("a"), driver.Any, 1))
	w.woken(t)
	w.cancel()
	require.ErrorIs(t, w.endsWith(t), context.Canceled)
	eventually(t, func() bool {
		return get[int](t, s.DB(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%'`) == 0
	}, "the connection is closed with its last watcher")
}

func TestWithoutAConnectionStringNobodyHears(t *testing.T) {
	dsn := pgtest.DSN(t)
	open(t, dsn, nil)
	s, err := postgres.New(connect(t, dsn), nil)
	require.NoError(t, err)
	defer s.Close()
	require.ErrorContains(t, s.Watch(t.Context(), func() {}), "Options.ListenDSN")
}

func TestAServerThatDoesNotAnswerEndsWithTheContext(t *testing.T) {
	var dead atomic.Int32
	silent := listenSilently(t, &dead)
	s, err := postgres.New(connect(t, silent), &postgres.Options{ListenDSN: silent})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Watch(ctx, func() {}), context.DeadlineExceeded)
	_, err = s.Commit(ctx, []driver.Write{appends(order("a"), driver.Any, 1)})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, s.Close())
}
