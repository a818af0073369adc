package sqlite

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQueue(t *testing.T) {
	t.Run("lets callers in one at a time, in the order of arrival", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := queue{patience: time.Second}
			require.NoError(t, q.enter(t.Context()))
			var seen []int
			for i := range 5 {
				go func() {
					require.NoError(t, q.enter(t.Context()))
					seen = append(seen, i)
					q.leave()
				}()
				synctest.Wait()
			}
			require.Empty(t, seen)
			q.leave()
			synctest.Wait()
			require.Equal(t, []int{0, 1, 2, 3, 4}, seen)
			require.NoError(t, q.enter(t.Context()), "it is free again")
		})
	})
	t.Run("takes out of the line whose context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := queue{patience: time.Minute}
			require.NoError(t, q.enter(t.Context()))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, q.enter(ctx), context.DeadlineExceeded)
			q.leave()
			require.NoError(t, q.enter(t.Context()))
		})
	})
}

func TestQueuePatience(t *testing.T) {
	t.Run("gives up on a holder who stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := queue{patience: 5 * time.Second}
			require.NoError(t, q.enter(t.Context()))
			<-time.After(time.Minute)
			began := time.Now()
			require.ErrorIs(t, q.enter(t.Context()), errHeld)
			require.Equal(t, 5*time.Second, time.Since(began))
			q.leave()
			require.NoError(t, q.enter(t.Context()))
		})
	})
	t.Run("is patient with a line that moves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := queue{patience: 5 * time.Second}
			began := time.Now()
			done := make(chan error)
			for range 10 {
				go func() {
					err := q.enter(t.Context())
					<-time.After(3 * time.Second)
					q.leave()
					done <- err
				}()
			}
			for range 10 {
				require.NoError(t, <-done)
			}
			require.Equal(t, 30*time.Second, time.Since(began))
		})
	})
	t.Run("passes on a turn that came as its owner gave up", func(t *testing.T) {
		q := queue{patience: time.Minute}
		require.NoError(t, q.enter(t.Context()))
		first, second := q.join(), q.join()
		q.leave()
		<-first
		q.giveUp(first)
		<-second
		q.leave()
		require.False(t, q.held)
	})
}
