package privacy_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/privacy"
)

func TestAMasterKey(t *testing.T) {
	k := privacy.NewMasterKey()
	t.Run("comes back from its text", func(t *testing.T) {
		again, err := privacy.ParseMasterKey(" " + k.Secret() + "\n")
		require.NoError(t, err)
		require.Equal(t, k, again)
		require.Equal(t, k.ID(), again.ID())
		require.Empty(t, privacy.MasterKey{}.Secret())
		require.NotEqual(t, k.ID(), privacy.NewMasterKey().ID())
	})
	t.Run("does not show its secret by accident", func(t *testing.T) {
		raw, err := base64.StdEncoding.DecodeString(k.Secret())
		require.NoError(t, err)
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k)
		for _, shown := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %q", k, k, k, k, k), fmt.Sprint([]any{k}),
			fmt.Sprintf("%+v", struct{ Key privacy.MasterKey }{k}), fmt.Sprintf("%v %+v %#v", struct{ key privacy.MasterKey }{k},
				struct{ key privacy.MasterKey }{k}, struct{ key privacy.MasterKey }{k}), log.String()} {
			require.NotContains(t, shown, k.Secret())
			require.NotContains(t, shown, string(raw[:8]))
			require.NotContains(t, shown, fmt.Sprint(raw[:4])[1:10])
		}
	})
	for text, secret := range map[string]string{
		"no text": "", "a password": "correct horse battery staple", "16 bytes": base64.StdEncoding.EncodeToString(make([]byte, 16)),
	} {
		t.Run("can't be "+text, func(t *testing.T) {
			_, err := privacy.ParseMasterKey(secret)
			require.ErrorContains(t, err, "openssl rand -base64 32")
			if secret != "" {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
}

// A wrong master key must never look as if people were forgotten.
func TestAWrongMasterKeyFailsLoudly(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.append("1", anna)
		w.append("2", emma)
		for text, key := range map[string]privacy.MasterKey{"another one": privacy.NewMasterKey(), "none": {}} {
			t.Run("when the vault is opened with "+text, func(t *testing.T) {
				_, err := privacy.Open(t.Context(), w.reg, w.keys, key, nil)
				require.ErrorIs(t, err, privacy.ErrMasterKey)
				_, err = privacy.Open(t.Context(), w.reg, w.keys, w.master, &privacy.Options{Previous: []privacy.MasterKey{key}})
				if text == "none" {
					require.ErrorIs(t, err, privacy.ErrMasterKey)
				} else {
					require.NoError(t, err)
				}
			})
		}
		t.Run("when some keys are wrapped by one that is missing", func(t *testing.T) {
			next := privacy.NewMasterKey()
			v, err := privacy.Open(t.Context(), w.reg, w.keys, next, &privacy.Options{Previous: []privacy.MasterKey{w.master}})
			require.NoError(t, err)
			dora := emma
			dora.Customer = "c-0" // the first in order, which is the one that Open tries
			_, err = w.storeWith(v).Append(t.Context(), stream("0"), eventstore.Any, eventstore.Events(dora)...)
			require.NoError(t, err)

			v, err = privacy.Open(t.Context(), w.reg, w.keys, next, nil)
			require.NoError(t, err)
			store := w.storeWith(v)
			require.Equal(t, []any{dora}, payloads(w, store, "0"))
			before, err := streamErr(w, store, "1")
			require.Empty(t, before)
			require.ErrorIs(t, err, privacy.ErrMasterKey)
			require.ErrorContains(t, err, w.master.ID())
			require.False(t, isDecodeError(err), "it is not the event's fault: nobody may skip it")
			_, err = store.ReadAll(t.Context(), 0, nil)
			require.ErrorIs(t, err, privacy.ErrMasterKey)
			_, err = store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(anna)...)
			require.ErrorIs(t, err, privacy.ErrMasterKey)
			require.ErrorIs(t, v.Rotate(t.Context(), "c-1"), privacy.ErrMasterKey)
			_, err = v.Rewrap(t.Context())
			require.ErrorIs(t, err, privacy.ErrMasterKey)
		})
		require.Equal(t, []any{anna}, w.payloads("1"), "nothing is lost by it")
	})
}

func TestAKeyStoreThatDoesNotKnowASubjectFailsLoudly(t *testing.T) {
	w := inMemory(t, nil)
	w.append("1", anna)
	w.keys = memory.New()
	store := w.storeWith(w.open(nil))
	before, err := streamErr(w, store, "1")
	require.Empty(t, before)
	require.ErrorIs(t, err, privacy.ErrNoKey)
	require.ErrorContains(t, err, `key 1 of subject "c-1"`)
	require.False(t, isDecodeError(err))
}

func TestAKeyStoreThatLostARotationFailsLoudly(t *testing.T) {
	w := inMemory(t, nil)
	w.append("1", anna)
	backup, err := w.keys.LoadKeys(t.Context(), []string{"c-1"})
	require.NoError(t, err)
	require.NoError(t, w.vault.Rotate(t.Context(), "c-1"))
	w.append("2", anna)
	w.keys = memory.New()
	require.NoError(t, w.keys.AddKeys(t.Context(), backup))
	store := w.storeWith(w.open(nil))
	require.Equal(t, []any{anna}, payloads(w, store, "1"))
	_, err = streamErr(w, store, "2")
	require.ErrorIs(t, err, privacy.ErrNoKey)
	require.ErrorContains(t, err, `key 2 of subject "c-1"`)
}

func TestAStoredKeyThatWasChangedOrMovedFailsLoudly(t *testing.T) {
	for text, change := range map[string]func(keys []driver.Key){
		"changed":           func(keys []driver.Key) { keys[0].Wrapped[30] ^= 1 },
		"cut off":           func(keys []driver.Key) { keys[0].Wrapped = keys[0].Wrapped[:5] },
		"another format":    func(keys []driver.Key) { keys[0].Wrapped[0] = 2 },
		"another subject's": func(keys []driver.Key) { keys[0].Wrapped = keys[1].Wrapped },
	} {
		t.Run(text, func(t *testing.T) {
			w := inMemory(t, nil)
			vault := w.open(nil)
			w.append("1", anna)
			w.append("2", emma)
			keys, err := w.keys.LoadKeys(t.Context(), []string{"c-1", "c-2"})
			require.NoError(t, err)
			change(keys)
			keys[0].Revision++
			replaced, err := w.keys.ReplaceKey(t.Context(), keys[0])
			require.NoError(t, err)
			require.True(t, replaced)
			_, err = streamErr(w, w.storeWith(vault), "1")
			require.ErrorIs(t, err, privacy.ErrDamaged)
			require.ErrorContains(t, err, `"c-1"`)
			require.False(t, isDecodeError(err))
		})
	}
}

func TestRewrap(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.append("1", anna)
		w.append("2", emma)
		w.append("3", registered{Customer: "c-3", Name: "Effi Briest"})
		w.forget("c-3")
		old := w.master
		w.master = privacy.NewMasterKey()
		v := w.open(&privacy.Options{Previous: []privacy.MasterKey{old}})
		require.Equal(t, []any{anna}, payloads(w, w.storeWith(v), "1"), "the old key still opens")
		n, err := v.Rewrap(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		n, err = v.Rewrap(t.Context())
		require.NoError(t, err)
		require.Zero(t, n, "the second time there is nothing to do")

		w.store = w.storeWith(w.open(nil))
		require.Equal(t, []any{anna}, w.payloads("1"), "the old key is not needed any more")
		require.Equal(t, []any{emma}, w.payloads("2"))
		require.Equal(t, []any{registered{Customer: "c-3", Name: "[forgotten]"}}, w.payloads("3"))
		w.master = old
		_, err = privacy.Open(t.Context(), w.reg, w.keys, old, nil)
		require.ErrorIs(t, err, privacy.ErrMasterKey)
	})
}

func TestRewrapGoesOnAfterKeysThatItCantOpen(t *testing.T) {
	const subjects, damaged = 20, 12
	subject := func(i int) string { return fmt.Sprintf("c-%02d", i) }
	keys := newCounting()
	w := inMemory(t, keys)
	for i := range subjects {
		w.append(subject(i), registered{Customer: subject(i), Name: "Anna"})
	}
	old := w.master
	w.master = privacy.NewMasterKey()
	for i := range damaged {
		replaced, err := keys.ReplaceKey(t.Context(), driver.Key{Subject: subject(i), Revision: 2, Wrapped: []byte("damaged")})
		require.NoError(t, err)
		require.True(t, replaced)
	}
	v := w.open(&privacy.Options{Previous: []privacy.MasterKey{old}}) // the first key is damaged
	n, err := v.Rewrap(t.Context())
	require.Equal(t, subjects-damaged, n)
	require.ErrorIs(t, err, privacy.ErrDamaged)
	require.ErrorContains(t, err, `"c-09"`)
	require.NotContains(t, err.Error(), `"c-10"`)
	require.ErrorContains(t, err, "and 2 more keys")

	for i := range damaged {
		_, err := v.Forget(t.Context(), subject(i))
		require.NoError(t, err)
	}
	n, err = v.Rewrap(t.Context())
	require.NoError(t, err, "there is a way on: restore those keys, or forget their subjects")
	require.Zero(t, n)
	w.open(nil)
}

func TestRewrapEndsWhenTheKeyStoreFails(t *testing.T) {
	keys := newCounting()
	w := inMemory(t, keys)
	w.append("1", anna, emma)
	old := w.master
	w.master = privacy.NewMasterKey()
	v := w.open(&privacy.Options{Previous: []privacy.MasterKey{old}})
	keys.err = driver.ErrUnavailable
	keys.loads.Store(0)
	n, err := v.Rewrap(t.Context())
	require.ErrorIs(t, err, driver.ErrUnavailable)
	require.Zero(t, n)
	require.LessOrEqual(t, keys.loads.Load(), int64(2), "all of them are the first key's")
}

func TestRotate(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.append("1", anna)
		other := w.open(nil)
		store := w.storeWith(other)
		require.Equal(t, []any{anna}, payloads(w, store, "1"))
		require.NoError(t, w.vault.Rotate(t.Context(), "c-1"))
		w.append("1", anna)
		raw := w.raw("1")
		require.Regexp(t, `"name":"tidemark-sealed:1:Yy0x:1:`, raw[0])
		require.Regexp(t, `"name":"tidemark-sealed:1:Yy0x:2:`, raw[1])
		require.Equal(t, []any{anna, anna}, w.payloads("1"))
		require.Equal(t, []any{anna, anna}, payloads(w, store, "1"), "a vault that knew the old key only asks again")

		require.ErrorIs(t, w.vault.Rotate(t.Context(), "nobody"), privacy.ErrNoKey)
		w.forget("c-1")
		require.ErrorIs(t, w.vault.Rotate(t.Context(), "c-1"), privacy.ErrForgotten)
		require.Equal(t, []any{annaForgotten, annaForgotten}, w.payloads("1"))
	})
}

func isDecodeError(err error) bool {
	var decode *eventstore.DecodeError
	return errors.As(err, &decode)
}
