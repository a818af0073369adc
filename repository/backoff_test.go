package repository_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
)

func TestS3BackoffRespectsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New())
		accounts := w.accounts(t, repository.Options{Backoff: math.MaxInt64}) // the longest that there is
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		_, err := accounts.Update(ctx, "7", func(a *account) error {
			w.append(t, "7", deposited{1})
			a.deposit(5)
			return nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, eventstore.ErrConflict)
		require.ErrorContains(t, err, `repository: update of "account-7": context deadline exceeded before try 2, after: `)
	})
}

// waits has updates collide until they give up, and returns the shortest and the longest wait before each retry. The
// clock is a fake one.
func waits(t *testing.T, backoff time.Duration, retries int) (shortest, longest []time.Duration) {
	const updates = 100
	w := newWorld(t, memory.New())
	accounts, err := newAccounts(w.store, &repository.Options{Backoff: backoff, Retries: retries})
	require.NoError(t, err)
	shortest, longest = make([]time.Duration, retries), make([]time.Duration, retries)
	for u := range updates {
		id := fmt.Sprint(u) // short streams load fast
		var tries []time.Time
		_, err := accounts.Update(t.Context(), id, func(a *account) error {
			tries = append(tries, time.Now())
			w.append(t, id, deposited{1})
			a.deposit(5)
			return nil
		})
		require.ErrorIs(t, err, eventstore.ErrConflict)
		for i := range retries {
			wait := tries[i+1].Sub(tries[i])
			longest[i] = max(longest[i], wait)
			if u == 0 || wait < shortest[i] {
				shortest[i] = wait
			}
		}
	}
	return shortest, longest
}

// With full jitter a wait may be anything up to its bound, so of 100 some are in the lower half and some in the upper.
func TestS3BackoffIsJitteredAndDoubles(t *testing.T) {
	const ms = time.Millisecond
	cases := map[string]struct {
		backoff time.Duration
		bounds  []time.Duration
	}{
		"up to a second":                     {100 * ms, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second, time.Second}},
		"or not, if it is longer from start": {3 * time.Second, []time.Duration{3 * time.Second, 3 * time.Second, 3 * time.Second}},
		"from 5 milliseconds by default":     {0, []time.Duration{5 * ms, 10 * ms, 20 * ms}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shortest, longest := waits(t, c.backoff, len(c.bounds))
				for i, bound := range c.bounds {
					require.LessOrEqual(t, longest[i], bound, fmt.Sprintf("wait %d", i+1))
					require.Greater(t, longest[i], bound/2, fmt.Sprintf("wait %d", i+1))
					require.Less(t, shortest[i], bound/2, fmt.Sprintf("wait %d", i+1))
				}
			})
		})
	}
}
