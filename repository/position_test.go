package repository_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
)

// newest returns the position of a stream's last event.
func (w *world) newest(t *testing.T, id string) int64 {
	t.Helper()
	for e, err := range w.store.Stream(t.Context(), stream(id), &eventstore.StreamOptions{Backward: true, Raw: true}) {
		require.NoError(t, err)
		return e.Position
	}
	return 0
}

func TestPositionIsThatOfTheLastEventThatWasSaved(t *testing.T) {
	onTransactional(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		a := update(t, accounts, "ada", func(a *account) error { a.deposit(1); a.deposit(2); return nil })
		w.append(t, "bob", deposited{1}) // so that positions and versions differ
		require.Equal(t, w.newest(t, "ada"), a.Position())

		t.Run("and stays so where nothing is recorded", func(t *testing.T) {
			before := a.Position()
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, before, a.Position())
		})

		t.Run("after another save", func(t *testing.T) {
			a.deposit(3)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, w.newest(t, "ada"), a.Position())
		})

		t.Run("where the answer was lost and the events turn out to be stored", func(t *testing.T) {
			for _, more := range []bool{false, true} {
				a.deposit(4)
				w.drv.loseAnswers(1)
				require.ErrorIs(t, accounts.Save(t.Context(), a), errLost)
				if more {
					a.deposit(5)
				}
				require.NoError(t, accounts.Save(t.Context(), a))
				require.Equal(t, w.newest(t, "ada"), a.Position())
			}
		})

		t.Run("once the transaction has committed", func(t *testing.T) {
			for _, end := range []error{errUndo, nil} {
				before := a.Position()
				a.deposit(6)
				require.ErrorIs(t, w.store.Transact(t.Context(), func(ctx context.Context) error {
					require.NoError(t, accounts.Save(ctx, a))
					require.Equal(t, before, a.Position())
					return end
				}), end)
				require.Equal(t, w.newest(t, "ada"), a.Position()) // the one before, if nothing was committed
			}
		})

		t.Run("and 0 where nothing was saved through the value", func(t *testing.T) {
			require.Zero(t, load(t, accounts, "ada").Position())
			require.Zero(t, newAccount("eve").Position())
		})
	})
}
