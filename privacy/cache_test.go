package privacy_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/privacy"
)

// counting is a key store that counts calls, and that a test can look into and hold up.
type counting struct {
	privacy.KeyStore
	loads, adds atomic.Int64
	loaded      func()
	err         error
}

func newCounting() *counting { return &counting{KeyStore: memory.New()} }

func (c *counting) LoadKeys(ctx context.Context, subjects []string) ([]driver.Key, error) {
	c.loads.Add(1)
	keys, err := c.KeyStore.LoadKeys(ctx, subjects)
	if c.loaded != nil {
		c.loaded()
	}
	return keys, errors.Join(c.err, err)
}

func (c *counting) AddKeys(ctx context.Context, keys []driver.Key) error {
	c.adds.Add(1)
	return c.KeyStore.AddKeys(ctx, keys)
}

func TestTheDefaultOfCacheForIsAMinute(t *testing.T) {
	var c clock
	keys := newCounting()
	w := inMemory(t, keys)
	w.append("1", anna)
	store := w.storeWith(w.open(&privacy.Options{Now: c.Now}))
	for _, want := range []int64{1, 0, 1} {
		keys.loads.Store(0)
		require.Equal(t, []any{anna}, payloads(w, store, "1"))
		require.Equal(t, want, keys.loads.Load())
		c.advance(time.Minute / 2)
	}
}

func TestAPageCostsOneKeyLookupAtMost(t *testing.T) {
	keys := newCounting()
	w := inMemory(t, keys)
	var events []any
	for i := range 300 {
		events = append(events, registered{Customer: fmt.Sprint("c-", i%100), Name: "Anna"}, noted{"plain"})
	}
	w.append("1", events...)
	require.Equal(t, int64(1), keys.adds.Load(), "an append adds all keys at once")
	keys.loads.Store(0)
	store := w.storeWith(w.open(nil))
	for range 2 {
		_, err := store.ReadAll(t.Context(), 0, &eventstore.ReadOptions{Limit: 600})
		require.NoError(t, err)
	}
	require.Equal(t, int64(1), keys.loads.Load(), "the second time none at all")

	t.Run("and with a cache that is too small one each", func(t *testing.T) {
		keys.loads.Store(0)
		store := w.storeWith(w.open(&privacy.Options{CacheSize: 10}))
		for range 2 {
			page, err := store.ReadAll(t.Context(), 0, &eventstore.ReadOptions{Limit: 600})
			require.NoError(t, err)
			require.Equal(t, events[0], page.Events[0].Payload)
		}
		require.Equal(t, int64(2), keys.loads.Load())
	})
	t.Run("and where nothing is sealed none", func(t *testing.T) {
		keys.loads.Store(0)
		store := w.storeWith(w.open(nil))
		for _, err := range store.All(t.Context(), 0, &eventstore.ReadOptions{Types: []string{"noted"}}) {
			require.NoError(t, err)
		}
		require.Zero(t, keys.loads.Load())
	})
}

func TestAKeyStoreThatCantBeReachedFailsTheCall(t *testing.T) {
	keys := newCounting()
	w := inMemory(t, keys)
	w.append("1", anna)
	store := w.storeWith(w.open(nil))
	keys.err = fmt.Errorf("no route to host: %w", driver.ErrUnavailable)
	_, err := streamErr(w, store, "1")
	require.ErrorIs(t, err, driver.ErrUnavailable)
	require.True(t, eventstore.Retryable(err))
	require.False(t, isDecodeError(err))
	_, err = store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(anna)...)
	require.True(t, eventstore.Retryable(err))
	_, err = store.ReadAll(t.Context(), 0, nil)
	require.True(t, eventstore.Retryable(err))
}
