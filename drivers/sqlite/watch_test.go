package sqlite_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// watch starts a Watch and returns the channel of its wakes, after the first one, and the function that ends it.
func watch(t *testing.T, s *sqlite.Store) (wakes <-chan struct{}, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan struct{}, 1000)
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, func() { heard <- struct{}{} }) }()
	<-heard
	return heard, func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}
}

func requireWake(t *testing.T, wakes <-chan struct{}) {
	t.Helper()
	select {
	case <-wakes:
	case <-time.After(10 * time.Second):
		require.Fail(t, "no wake")
	}
}

func TestWatch(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		wakes, end := watch(t, s)
		defer end()
		t.Run("wakes after a commit", func(t *testing.T) {
			commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
			requireWake(t, wakes)
		})
		t.Run("wakes after a transaction that has appended", func(t *testing.T) {
			require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
				commit(t, ctx, s, appends(order("1"), 1, 1))
				return nil
			}))
			requireWake(t, wakes)
		})
		t.Run("tells several watchers", func(t *testing.T) {
			more, end := watch(t, s)
			defer end()
			commit(t, t.Context(), s, appends(order("1"), 2, 1))
			requireWake(t, wakes)
			requireWake(t, more)
		})
	})
	t.Run("hears of another process's commits, and only of commits", func(t *testing.T) {
		path := inFile(t)
		s, other := open(t, path, nil), open(t, path, nil)
		wakes, end := watch(t, s)
		defer end()
		for i := range int64(5) {
			commit(t, t.Context(), other, appends(order("1"), driver.ExpectedVersion(i), 1))
			requireWake(t, wakes)
		}
		_, err := other.Commit(t.Context(), []driver.Write{appends(order("1"), driver.NoStream, 1)})
		require.Error(t, err)
		readAll(t, t.Context(), other, 0)
		select {
		case <-wakes:
			require.Fail(t, "woken without a commit")
		case <-time.After(200 * time.Millisecond):
		}
	})
	t.Run("watches with fewer connections than watchers", func(t *testing.T) {
		s := open(t, inFile(t), &sqlite.Options{Readers: 1})
		for range 3 {
			_, end := watch(t, s)
			defer end()
		}
		readAll(t, t.Context(), s, 0)
	})
}
