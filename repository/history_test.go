package repository_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
)

func TestS5SnapshotPlusTailEqualsReplay(t *testing.T) {
	const histories, steps = 30, 25
	onEvery(t, func(t *testing.T, w *world) {
		for range histories {
			seed := rand.Uint64()
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				h := newHistory(t, w, seed)
				for range steps {
					h.step(t)
				}
				require.Positive(t, h.fromSnapshot, "no load started from a snapshot")
			})
		}
	})
}

// history is an account that random things happen to.
type history struct {
	w            *world
	rng          *rand.Rand
	id           string
	accounts     *repository.Repository[*account]
	kept         *account // an account value that lives through several saves, nil at times
	fromSnapshot int
}

func newHistory(t *testing.T, w *world, seed uint64) *history {
	h := &history{w: w, rng: rand.New(rand.NewPCG(seed, 0)), id: fmt.Sprint(seed)}
	h.accounts = w.accounts(t, repository.Options{
		Snapshots: func(repository.SnapshotState) bool { return h.rng.IntN(3) == 0 },
	})
	w.append(t, h.id, deposited{Amount: h.rng.IntN(100)})
	h.kept = load(t, h.accounts, h.id)
	h.record(h.kept, 1+h.rng.IntN(3))
	require.NoError(t, h.accounts.Save(t.Context(), h.kept))
	require.NoError(t, w.store.SaveSnapshot(t.Context(),
		eventstore.Snapshot{Stream: stream(h.id), Version: h.kept.Version(), State: h.kept.state}))
	return h
}

// step does one random thing and compares.
func (h *history) step(t *testing.T) {
	switch h.rng.IntN(6) {
	case 0: // another process
		h.w.append(t, h.id, deposited{Amount: h.rng.IntN(100)})
		h.kept = nil
	case 1: // an older program
		h.w.appendOld(t, h.id, []any{oldDeposited{Cents: 7}, oldMoved{In: 9, Out: 4}, oldPinged{}}[h.rng.IntN(3)])
		h.kept = nil
	case 2, 3:
		h.kept = update(t, h.accounts, h.id, func(a *account) error {
			h.record(a, h.rng.IntN(4))
			return nil
		})
	default:
		if h.kept == nil {
			h.kept = load(t, h.accounts, h.id)
		}
		h.record(h.kept, h.rng.IntN(4))
		require.NoError(t, h.accounts.Save(t.Context(), h.kept))
	}
	h.compare(t)
}

func (h *history) record(a *account, n int) {
	for range n {
		if a.withdraw(h.rng.IntN(50)) != nil {
			a.deposit(h.rng.IntN(100))
		}
	}
}

func (h *history) compare(t *testing.T) {
	want := h.w.replayed(t, h.id)
	sameAccount(t, want, load(t, h.accounts, h.id))
	if h.w.lastLoad(t).SnapshotVersion > 0 {
		h.fromSnapshot++
	}
	if h.kept != nil {
		sameAccount(t, want, h.kept)
	}
}
