package repository_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
)

// bareAccounts returns a repository right over the driver, with everything that it can do, group commit included.
func (w *world) bareAccounts(t *testing.T, opts repository.Options) *repository.Repository[*account] {
	t.Helper()
	store, err := eventstore.New(w.drv.backend, newRegistry(), nil)
	require.NoError(t, err)
	w.listen(&opts)
	accounts, err := newAccounts(store, &opts)
	require.NoError(t, err)
	return accounts
}

func TestS3RacingUpdatesAllCount(t *testing.T) {
	const writers, each = 8, 10
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.bareAccounts(t, repository.Options{Retries: 1000, Snapshots: repository.EveryEvents(7)})
		errs := make([]error, writers)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for range each {
					_, err := accounts.Update(t.Context(), "race", deposit(1))
					errs[i] = errors.Join(errs[i], err)
				}
			})
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		a := load(t, accounts, "race")
		require.Equal(t, writers*each, a.state.Balance)
		sameAccount(t, w.replayed(t, "race"), a)
	})
}

func TestS7ARepositoryIsSafeForConcurrentUse(t *testing.T) {
	const workers, rounds = 8, 10
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.bareAccounts(t, repository.Options{Snapshots: repository.EveryEvents(3)})
		work := func(id string) error {
			for i := range rounds {
				a, err := accounts.Update(t.Context(), id, deposit(i))
				if err != nil {
					return err
				}
				a.deposit(1)
				if err := accounts.Save(t.Context(), a); err != nil {
					return err
				}
				if a, err = accounts.Load(t.Context(), id); err != nil || a.Version() != int64(2*i+2) {
					return fmt.Errorf("version %d after round %d: %w", a.Version(), i, err)
				}
			}
			return nil
		}
		errs := make([]error, workers)
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() { errs[i] = work(fmt.Sprint("worker ", i)) })
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
	})
}
