package privacy_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/privacy"
)

func TestForget(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.append("1", anna)
		forget := func(subject string, want bool) {
			t.Helper()
			known, err := w.vault.Forget(t.Context(), subject)
			require.NoError(t, err)
			require.Equal(t, want, known)
			forgotten, err := w.vault.Forgotten(t.Context(), subject)
			require.NoError(t, err)
			require.True(t, forgotten)
		}
		forgotten, err := w.vault.Forgotten(t.Context(), "c-1")
		require.NoError(t, err)
		require.False(t, forgotten)
		forget("c-1", true)
		forget("c-1", false)
		forget("never seen", false)
		_, err = w.vault.Forget(t.Context(), "")
		require.ErrorContains(t, err, "empty")

		t.Run("lets nothing personal be stored any more", func(t *testing.T) {
			for _, e := range []any{anna, ill, registered{Customer: "never seen", Name: "X"}} {
				_, err := w.store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(noted{"with it"}, e)...)
				require.ErrorIs(t, err, privacy.ErrForgotten)
			}
			require.Len(t, w.raw("1"), 1, "and of the append nothing is written")
		})
		t.Run("lets what was read be written again", func(t *testing.T) {
			w.append("1", annaForgotten, illForgotten)
			require.Equal(t, []any{annaForgotten, annaForgotten, illForgotten}, w.payloads("1"))
			require.NotContains(t, w.raw("1")[1], "tidemark-sealed:")
			odd := diagnosed{Patient: "tidemark-sealed:1:", Diagnosis: "[forgotten]"}
			w.forget(odd.Patient)
			w.append("2", odd)
			require.Equal(t, []any{odd}, w.payloads("2"))
		})
	})
}

type insured struct {
	Customer string `json:"customer" privacy:"subject"`
	Number   int64  `json:"number" privacy:"personal,fallback=9007199254740992"`
}

func TestANumberBesideTheFallbackIsPersonal(t *testing.T) {
	w := typedWorld[insured](t)
	w.forget("c-1")
	w.append("1", insured{"c-1", 9007199254740992})
	for _, beside := range []int64{9007199254740991, 9007199254740993} { // the latter is the same as a float64
		_, err := w.store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(insured{"c-1", beside})...)
		require.ErrorIs(t, err, privacy.ErrForgotten)
	}
}

// clock is a clock that a test sets.
type clock struct{ seconds atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(1_700_000_000+c.seconds.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }

func TestForgettingInAnotherProcessIsHonouredWithinTheStatedTime(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		var c clock
		w.append("1", anna)
		other := w.storeWith(w.open(&privacy.Options{CacheFor: time.Minute, Now: c.Now}))
		require.Equal(t, []any{anna}, payloads(w, other, "1"))
		c.advance(30 * time.Second)
		w.forget("c-1")
		require.Equal(t, []any{annaForgotten}, w.payloads("1"), "at once in the process that forgets")
		require.Equal(t, []any{anna}, payloads(w, other, "1"), "the cache may still have the key")
		c.advance(30 * time.Second)
		require.Equal(t, []any{annaForgotten}, payloads(w, other, "1"), "a minute after it was asked for it has not")
	})
}

func TestAKeyThatWasBeingLoadedWhenItsSubjectWasForgottenIsNotKept(t *testing.T) {
	keys := newCounting()
	w := inMemory(t, keys)
	w.append("1", anna)
	vault := w.open(nil)
	store := w.storeWith(vault)
	keys.loaded = func() {
		keys.loaded = nil
		_, err := vault.Forget(t.Context(), "c-1")
		require.NoError(t, err)
	}
	require.Equal(t, []any{anna}, payloads(w, store, "1"), "this read began before")
	require.Equal(t, []any{annaForgotten}, payloads(w, store, "1"))
}

func TestForgettingInATransaction(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		tx, ok := w.keys.(driver.Transactor)
		if !ok || any(w.drv) != any(w.keys) {
			t.Skip("the keys have no transactions, or not those of the events")
		}
		w.append("1", anna)
		errStop := errors.New("stop")
		forget := func(result error) error {
			return w.store.Transact(t.Context(), func(ctx context.Context) error {
				_, err := w.store.Append(ctx, stream("1"), eventstore.Any, eventstore.Events(noted{"forgotten"})...)
				require.NoError(t, err)
				_, err = w.vault.Forget(ctx, "c-1")
				require.NoError(t, err)
				in, err := tx.InTransaction(ctx)
				require.NoError(t, err)
				require.True(t, in)
				before, err := w.store.Append(ctx, stream("1"), eventstore.Any, eventstore.Events(anna)...)
				require.ErrorIs(t, err, privacy.ErrForgotten, before)
				return result
			})
		}
		require.Same(t, errStop, forget(errStop))
		require.Equal(t, []any{anna}, w.payloads("1"), "a rollback brings the key back")
		require.NoError(t, forget(nil))
		require.Equal(t, []any{annaForgotten, noted{"forgotten"}}, w.payloads("1"))
	})
}

func TestATransactionThatForgetsKnowsWhateverOthersReadMeanwhile(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		if w.db == nil || any(w.drv) != any(w.keys) || w.oneConnection {
			t.Skip("there are no transactions of the keys, or nobody can read while one is open")
		}
		w.append("1", anna)
		require.NoError(t, w.store.Transact(t.Context(), func(ctx context.Context) error {
			_, err := w.vault.Forget(ctx, "c-1")
			require.NoError(t, err)
			require.Equal(t, []any{anna}, w.payloads("1"), "others don't see what is not committed")

			_, err = w.store.Append(ctx, stream("1"), eventstore.Any, eventstore.Events(anna)...)
			require.ErrorIs(t, err, privacy.ErrForgotten)
			for e, err := range w.store.Stream(ctx, stream("1"), nil) {
				require.NoError(t, err)
				require.Equal(t, any(annaForgotten), e.Payload)
			}
			return nil
		}))
		require.Equal(t, []any{annaForgotten}, w.payloads("1"))
	})
}

// A key that was made in a transaction which is rolled back must not seal anything afterwards: nobody could open it.
func TestAKeyThatWasRolledBackIsNotUsed(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		if w.db == nil {
			t.Skip("there are no transactions")
		}
		errStop := errors.New("stop")
		err := sqltx.In(t.Context(), w.db, func(ctx context.Context) error {
			for range 2 {
				_, err := w.store.Append(ctx, stream("1"), eventstore.Any, eventstore.Events(anna)...)
				require.NoError(t, err)
			}
			var read []any
			for e, err := range w.store.Stream(ctx, stream("1"), nil) {
				require.NoError(t, err)
				read = append(read, e.Payload)
			}
			require.Equal(t, []any{anna, anna}, read)
			return errStop
		})
		require.Same(t, errStop, err)
		w.append("1", anna)
		require.Equal(t, []any{anna}, payloads(w, w.storeWith(w.open(nil)), "1"))
	})
}

func TestManyWritersAndOneWhoForgets(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		other := w.storeWith(w.open(nil))
		var wg sync.WaitGroup
		for i, store := range []*eventstore.Store{w.store, other, w.store, other} {
			wg.Go(func() {
				for n := range 10 {
					_, err := store.Append(t.Context(), stream(fmt.Sprint(i)), eventstore.Any, eventstore.Events(anna, emma)...)
					if err != nil && !errors.Is(err, privacy.ErrForgotten) {
						t.Error(err)
					}
					if i == 0 && n == 5 {
						w.forget("c-1")
					}
					for e, err := range store.All(t.Context(), 0, nil) {
						if err != nil || e.Payload != any(anna) && e.Payload != any(annaForgotten) && e.Payload != any(emma) {
							t.Error(e.Payload, err)
						}
					}
				}
			})
		}
		wg.Wait()
		for e, err := range w.storeWith(w.open(nil)).All(t.Context(), 0, nil) {
			require.NoError(t, err)
			require.NotEqual(t, any(anna), e.Payload)
		}
	})
}
