package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/torture"
)

// Contexts end at any moment of any call, and requests to cancel arrive at any moment after. Whoever gave up is told that
// his context ended, and finds all of his events or none; whoever did not is not disturbed.
func TestARequestToCancelHitsNobodyElse(t *testing.T) {
	eachClient(t, func(t *testing.T, p *fault.Proxy, s *postgres.Store) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		p.Delay(func() time.Duration { return rand.N(300 * time.Microsecond) })
		var patient, impatient sync.WaitGroup
		var over atomic.Bool
		for i := range 3 {
			patient.Go(func() { // appends and reads with a context that can end and does not
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				for n := 1; !over.Load(); n++ {
					if err := appendAndRead(ctx, s, fmt.Sprint("patient ", i), n); err != nil {
						t.Errorf("seed %d: a call whose context goes on: %v", seed, err)
						return
					}
				}
			})
		}
		for i := range 6 {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			impatient.Go(func() {
				for n := range torture.Rounds(t, 12) {
					if err := giveUp(t.Context(), s, fmt.Sprintf("impatient %d-%d", i, n), random); err != nil {
						t.Errorf("seed %d: %v", seed, err)
						return
					}
				}
			})
		}
		impatient.Wait()
		over.Store(true)
		patient.Wait()
		p.Delay(nil)
		requireSound(t, s)
	})
}

func appendAndRead(ctx context.Context, s *postgres.Store, id string, nth int) error {
	receipts, err := commitHeld(ctx, s, appends(order(id), driver.ExpectedVersion(nth-1), 1))
	if err != nil {
		return err
	}
	page, err := s.ReadStream(ctx, driver.StreamQuery{Stream: order(id), From: 1, Limit: 1 << 20, MaxBytes: 1 << 30})
	if err == nil && (len(page) != nth || receipts[0].Version != int64(nth)) {
		err = fmt.Errorf("%d events after append %d", len(page), nth)
	}
	return err
}

// giveUp makes a call whose context ends soon, and then again until it has succeeded.
func giveUp(ctx context.Context, s *postgres.Store, id string, random *rand.Rand) error {
	w := appends(order(id), driver.NoStream, 1+random.IntN(3))
	short, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(3000))*time.Microsecond)
	defer cancel()
	_, err := s.Commit(short, []driver.Write{w})
	switch {
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("an append that was given up: %w", err)
	case err == nil:
		return nil
	}
	again := insist(func() error { _, err := s.Commit(ctx, []driver.Write{w}); return err })
	if again != nil && !isDuplicate(again) {
		return fmt.Errorf("an append that is made again: %w", again)
	}
	return nil
}

// A request to cancel that is late must not find the next statement on its connection, whatever is delayed.
func TestALateRequestToCancelHitsNobody(t *testing.T) {
	eachClient(t, func(t *testing.T, p *fault.Proxy, s *postgres.Store) {
		s.DB().SetMaxOpenConns(2)
		tx := begin(t, s)
		tx.commit(s, appends(order("contended"), driver.NoStream, 1))
		release := p.HoldCancels()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		w := appends(order("contended"), driver.Any, 1)
		_, err := s.Commit(ctx, []driver.Write{w})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		tx.commits()

		var sleeping sync.WaitGroup
		for range 2 {
			sleeping.Go(func() {
				if _, err := s.DB().ExecContext(t.Context(), `SELECT pg_sleep(0.2)`); err != nil {
					t.Errorf("a statement of somebody else: %v", err)
				}
			})
		}
		release()
		sleeping.Wait()
		err = insist(func() error { _, err := s.Commit(t.Context(), []driver.Write{w}); return err })
		require.True(t, err == nil || isDuplicate(err), "what was given up may have been stored, once: %v", err)
		require.Len(t, readStream(t, t.Context(), s, order("contended")), 2)
	})
}
