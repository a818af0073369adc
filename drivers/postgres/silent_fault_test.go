package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// soon is how long a call may take whose context has ended, on a machine that is busy.
const soon = 10 * time.Second

// callsOf are calls of every kind.
func callsOf(s *postgres.Store) map[string]func(ctx context.Context) error {
	w := appends(order("silent"), driver.Any, 1)
	return map[string]func(ctx context.Context) error{
		"an append": func(ctx context.Context) error {
			_, err := s.Commit(ctx, []driver.Write{w})
			return err
		},
		"a batch": func(ctx context.Context) error {
			outcomes, err := s.CommitBatch(ctx, [][]driver.Write{{appends(order("x"), driver.Any, 1)}, {appends(order("y"), driver.Any, 1)}})
			for _, o := range outcomes {
				if err == nil {
					err = o.Err
				}
			}
			return err
		},
		"a stream": func(ctx context.Context) error {
			_, err := s.ReadStream(ctx, driver.StreamQuery{Stream: order("silent"), From: 1, Limit: 1, MaxBytes: 1})
			return err
		},
		"the log": func(ctx context.Context) error {
			_, err := s.ReadAll(ctx, driver.AllQuery{Limit: 1, MaxBytes: 1})
			return err
		},
		"a snapshot": func(ctx context.Context) error {
			_, _, err := s.LoadSnapshot(ctx, order("silent"))
			return err
		},
		"a checkpoint": func(ctx context.Context) error {
			_, err := s.LoadCheckpoint(ctx, "silent")
			return err
		},
		"a transaction": func(ctx context.Context) error {
			return s.Transact(ctx, func(ctx context.Context) error {
				tx, _ := sqltx.From(ctx)
				_, err := tx.ExecContext(ctx, `SELECT 1`)
				return err
			})
		},
		"a migration": func(ctx context.Context) error { return s.Migrate(ctx) },
	}
}

// Every connection of the pool falls silent in the midst of a call, and new ones as well. Once new ones work, the store
// does, though the old ones never answer.
func TestASilentConnectionEndsWithTheContextAndLeavesThePoolUsable(t *testing.T) {
	eachClient(t, func(t *testing.T, p *fault.Proxy, s *postgres.Store) {
		for _, call := range callsOf(s) {
			require.NoError(t, call(t.Context()))
		}
		p.Silence()
		var calls sync.WaitGroup
		for name, call := range callsOf(s) {
			for range 4 {
				calls.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					defer cancel()
					began := time.Now()
					err := call(ctx)
					if !assertIs(t, err, context.DeadlineExceeded, name) {
						return
					}
					if took := time.Since(began); took > soon {
						t.Errorf("%s took %v", name, took)
					}
				})
			}
		}
		calls.Wait()
		p.Heal()
		for name, call := range callsOf(s) {
			eventually(t, func() bool { // whoever is given one that is silent finds out by his own context
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				return call(ctx) == nil
			}, name)
		}
	})
}

// What is silent shows on one connection; those that lie idle beside it are not tried one after the other.
func TestOneSilentConnectionGivesUpTheIdleOnes(t *testing.T) {
	t.Parallel()
	p := fault.Start(t, pgtest.DSN(t))
	s := open(t, p.DSN(), nil)
	var calls sync.WaitGroup
	for range 16 {
		calls.Go(func() { s.DB().MustExec(`SELECT pg_sleep(0.1)`) })
	}
	calls.Wait()
	require.Greater(t, s.DB().Stats().Idle, 8)
	p.Silence()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // enough to send something
	defer cancel()
	_, err := s.Commit(ctx, []driver.Write{appends(order("a"), driver.Any, 1)})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	p.Heal()
	again, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, err = s.Commit(again, []driver.Write{appends(order("b"), driver.Any, 1)})
	require.NoError(t, err, "the first try already")
}

func TestAnAppendBehindSilentOnesEndsWithItsContextAndTheStoreRecovers(t *testing.T) {
	eachClient(t, func(t *testing.T, p *fault.Proxy, s *postgres.Store) {
		store := portable(t, s)
		_, err := store.Append(t.Context(), order("a"), eventstore.Any, note("a"))
		require.NoError(t, err)
		p.Silence()
		events := make([]eventstore.NewEvent, 60)
		var calls sync.WaitGroup
		for i := range events {
			events[i] = note("a")
			calls.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				_, err := store.Append(ctx, order("a"), eventstore.Any, events[i])
				assertIs(t, err, context.DeadlineExceeded, "append")
			})
		}
		calls.Wait()
		p.Heal()
		for i := range events {
			calls.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), soon)
				defer cancel()
				err := insist(func() error {
					_, err := store.Append(ctx, order("a"), eventstore.Any, events[i])
					return err
				})
				if err != nil {
					t.Errorf("append again: %v", err)
				}
			})
		}
		calls.Wait()
		require.Len(t, readStream(t, t.Context(), s, order("a")), 1+len(events))
	})
}

func TestAStoreOnSilentConnectionsCloses(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]openStore{"lib pq": openPQ, "pgx": openPGX} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := fault.Start(t, pgtest.DSN(t))
			s, _, err := open(t.Context(), p.DSN(), "tidemark")
			require.NoError(t, err)
			store := portable(t, s.(*postgres.Store))
			_, err = store.Append(t.Context(), order("a"), eventstore.Any, note("a"))
			require.NoError(t, err)
			p.Silence()
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				_ = store.Close()
			}()
			happens(t, closed, "the end of Close")
		})
	}
}

func assertIs(t *testing.T, err, target error, what string) bool {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: want %v, got %v", what, target, err)
		return false
	}
	return true
}
