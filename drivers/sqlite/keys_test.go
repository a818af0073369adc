package sqlite_test

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// keyring adds, replaces and forgets keys at random, and remembers every one that there ever was.
type keyring struct {
	*testing.T
	*rand.Rand
	store *sqlite.Store
	alive []driver.Key
	dead  [][]byte // those that were replaced or forgotten
}

// add adds n keys at once.
func (r *keyring) add(ctx context.Context, n int) {
	keys := make([]driver.Key, n)
	for i := range keys {
		keys[i] = driver.Key{Subject: fmt.Sprintf("%0*x", 1+r.IntN(40), r.Uint64()), Revision: 1, Wrapped: randomBytes(73), UpdatedAt: noon}
	}
	require.NoError(r, r.store.AddKeys(ctx, keys))
	r.alive = append(r.alive, keys...)
}

// replace replaces a key by another which is longer by some bytes.
func (r *keyring) replace(ctx context.Context, i, longer int) {
	k := &r.alive[i]
	r.dead = append(r.dead, k.Wrapped)
	k.Wrapped = randomBytes(len(k.Wrapped) + longer)
	k.Revision++
	replaced, err := r.store.ReplaceKey(ctx, *k)
	require.NoError(r, err)
	require.True(r, replaced)
}

func (r *keyring) forget(ctx context.Context, i int) {
	k := r.alive[i]
	had, err := r.store.ForgetKey(ctx, k.Subject, noon.Add(time.Hour))
	require.NoError(r, err)
	require.True(r, had)
	r.dead = append(r.dead, k.Wrapped)
	r.alive[i] = r.alive[len(r.alive)-1]
	r.alive = r.alive[:len(r.alive)-1]
}

// live lets a system run for n steps, in which about 5 n keys are added, most of them in bulk.
func (r *keyring) live(n int) {
	for i := range n {
		if i%30 == 0 {
			r.add(r.Context(), 130)
		}
		r.add(r.Context(), 1)
		require.NoError(r, in(r.Context(), r.store, func(ctx context.Context) error {
			r.replace(ctx, r.IntN(len(r.alive)), 0)
			r.replace(ctx, r.IntN(len(r.alive)), 32)
			if i%50 == 0 {
				r.replace(ctx, r.IntN(len(r.alive)), 5000) // longer than a page
			}
			r.forget(ctx, r.IntN(len(r.alive)))
			return nil
		}))
	}
	require.NoError(r, in(r.Context(), r.store, func(ctx context.Context) error {
		for i := range r.alive {
			r.replace(ctx, i, 0)
		}
		for range len(r.alive) * 3 / 4 {
			r.forget(ctx, r.IntN(len(r.alive)))
		}
		return nil
	}))
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	crand.Read(b) //nolint:errcheck // never fails
	return b
}

// pieces are all the runs of so many bytes in a file.
type pieces map[[pieceSize]byte]bool

const pieceSize = 8

func piecesOf(t testing.TB, path string) pieces {
	t.Helper()
	all := pieces{}
	names, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		for i := range len(data) - pieceSize + 1 {
			all[[pieceSize]byte(data[i:])] = true
		}
	}
	return all
}

// has reports whether any piece of a key is there.
func (p pieces) has(key []byte) bool {
	for i := range len(key) - pieceSize + 1 {
		if p[[pieceSize]byte(key[i:])] {
			return true
		}
	}
	return false
}

func TestNothingOfADestroyedKeyIsLeftInTheFile(t *testing.T) {
	path := inFile(t)
	store := open(t, path, &sqlite.Options{Synchronous: sqlite.Normal})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := &keyring{T: t, Rand: rand.New(rand.NewPCG(seed, 0)), store: store}
	r.live(600)
	store.DB().MustExec(`PRAGMA wal_checkpoint(TRUNCATE)`)

	found, left := piecesOf(t, path), 0
	for _, key := range r.dead {
		if found.has(key) {
			left++
		}
	}
	require.Zero(t, left, "of %d destroyed keys", len(r.dead))
	for _, k := range r.alive {
		require.True(t, found.has(k.Wrapped), "the others are there, and the test finds them")
		stored, err := store.LoadKeys(t.Context(), []string{k.Subject})
		require.NoError(t, err)
		require.Equal(t, []driver.Key{k}, stored)
	}
}

func TestAKeyThatIsMissingIsNotTakenForForgotten(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		require.NoError(t, s.AddKeys(t.Context(), []driver.Key{{Subject: "a", Revision: 1, Wrapped: []byte("key"), UpdatedAt: noon}}))
		s.DB().MustExec(`DELETE FROM wrapped_keys`)
		keys, err := s.LoadKeys(t.Context(), []string{"a"})
		require.NoError(t, err)
		require.Len(t, keys, 1)
		require.False(t, keys[0].Forgotten())

		had, err := s.ForgetKey(t.Context(), "a", noon)
		require.NoError(t, err)
		require.True(t, had)
	})
}

func TestKeysThatCantAllBeAddedLeaveNothingInTheTransaction(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		s.DB().MustExec(`CREATE TRIGGER refuse BEFORE INSERT ON wrapped_keys WHEN NEW.wrapped = x'62' BEGIN
			SELECT RAISE(ABORT, 'no room for it'); END`)
		key := func(subject string) driver.Key {
			return driver.Key{Subject: subject, Revision: 1, Wrapped: []byte(subject), UpdatedAt: noon}
		}
		require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
			require.ErrorContains(t, s.AddKeys(ctx, []driver.Key{key("a"), key("b")}), "no room for it")
			return s.AddKeys(ctx, []driver.Key{key("c")})
		}))
		keys, err := s.ListKeys(t.Context(), "", 10)
		require.NoError(t, err)
		require.Equal(t, []driver.Key{key("c")}, keys)
	})
}
