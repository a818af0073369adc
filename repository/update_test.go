package repository_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/repository"
)

func TestUpdate(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		noWrites := func(t *testing.T) {
			w.drv.commit = func(context.Context, []driver.Write) ([]driver.Receipt, error) { return nil, errBroken }
			t.Cleanup(func() { w.drv.commit = nil })
		}

		t.Run("a missing aggregate starts empty", func(t *testing.T) {
			a := update(t, accounts, "7", deposit(5))
			require.Equal(t, int64(1), a.Version())
			require.Empty(t, a.Pending())
			require.Equal(t, []any{deposited{5}}, w.payloads(t, "7"))
		})

		t.Run("what it returns is what a load returns, and can be saved again", func(t *testing.T) {
			a := update(t, accounts, "7", deposit(6))
			sameAccount(t, load(t, accounts, "7"), a)
			a.deposit(1)
			require.NoError(t, accounts.Save(t.Context(), a))
		})

		t.Run("a function that records nothing writes nothing", func(t *testing.T) {
			noWrites(t)
			nothing := func(*account) error { return nil }
			require.Equal(t, 12, update(t, accounts, "7", nothing).state.Balance)
			require.Zero(t, update(t, accounts, "missing", nothing).Version())
		})

		t.Run("S3 an error of the function is returned as it is, at once, and nothing is written", func(t *testing.T) {
			noWrites(t)
			conflict := &eventstore.ConflictError{Stream: stream("other")}
			for _, want := range []error{errOverdrawn, conflict, errLost} {
				calls := 0
				a, err := accounts.Update(t.Context(), "7", func(a *account) error {
					calls++
					a.deposit(1)
					return want
				})
				require.Same(t, want, err)
				require.Nil(t, a)
				require.Equal(t, 1, calls)
			}
		})
	})
}

func TestS3ConflictsAreDecidedAgain(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		// beaten returns a decision that another writer is faster than, the first times it is called.
		beaten := func(t *testing.T, id string, times int, balances *[]int) func(*account) error {
			return func(a *account) error {
				*balances = append(*balances, a.state.Balance)
				if len(*balances) <= times {
					w.append(t, id, deposited{100})
				}
				a.deposit(1)
				return nil
			}
		}

		t.Run("on the state that won", func(t *testing.T) {
			var balances []int
			a := update(t, w.accounts(t, repository.Options{}), "wins", beaten(t, "wins", 2, &balances))
			require.Equal(t, []int{0, 100, 200}, balances)
			require.Equal(t, int64(3), a.Version())
			require.Equal(t, 201, a.state.Balance)
		})

		t.Run("up to the retries, and the last conflict comes back", func(t *testing.T) {
			var balances []int
			a, err := w.accounts(t, repository.Options{Retries: 3}).
				Update(t.Context(), "loses", beaten(t, "loses", 100, &balances))
			require.Nil(t, a)
			require.Len(t, balances, 4)
			var conflict *eventstore.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, eventstore.ConflictError{Stream: stream("loses"), Expected: 3, Actual: 4}, *conflict)
			require.ErrorContains(t, err, `repository: update of "account-loses": gave up after 4 tries: eventstore: conflict`)
			require.Len(t, w.payloads(t, "loses"), 4)
		})

		t.Run("ten times by default", func(t *testing.T) {
			var balances []int
			_, err := w.accounts(t, repository.Options{}).Update(t.Context(), "ten", beaten(t, "ten", 100, &balances))
			require.ErrorIs(t, err, eventstore.ErrConflict)
			require.Len(t, balances, 11)
		})

		t.Run("never, if retries are negative: the conflict comes back as it is", func(t *testing.T) {
			var balances []int
			_, err := w.accounts(t, repository.Options{Retries: -1}).
				Update(t.Context(), "never", beaten(t, "never", 100, &balances))
			require.Len(t, balances, 1)
			require.IsType(t, new(eventstore.ConflictError), err)
		})
	})
}

func TestS3LostConnectionsAreTriedAgain(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		decided := 0
		decide := func(a *account) error {
			decided++
			a.deposit(5)
			return nil
		}
		start := func() { decided, w.drv.commit, w.drv.readStream = 0, nil, nil }

		t.Run("without deciding again what may be stored", func(t *testing.T) {
			start()
			w.drv.loseAnswers(2)
			a := update(t, w.accounts(t, repository.Options{}), "answer", decide)
			require.Equal(t, 1, decided)
			require.Equal(t, int64(1), a.Version())
			require.Equal(t, []any{deposited{5}}, w.payloads(t, "answer"))
		})

		t.Run("and decided again if somebody else was faster meanwhile", func(t *testing.T) {
			start()
			w.drv.commit = func(context.Context, []driver.Write) ([]driver.Receipt, error) {
				w.drv.commit = nil
				w.append(t, "meanwhile", deposited{1})
				return nil, errLost
			}
			a := update(t, w.accounts(t, repository.Options{}), "meanwhile", decide)
			require.Equal(t, 2, decided)
			require.Equal(t, int64(2), a.Version())
			require.Equal(t, []any{deposited{1}, deposited{5}}, w.payloads(t, "meanwhile"))
		})

		t.Run("while loading", func(t *testing.T) {
			start()
			w.append(t, "loading", deposited{1})
			fails := 3
			w.drv.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				if fails--; fails >= 0 {
					return nil, errLost
				}
				return w.drv.backend.ReadStream(ctx, q)
			}
			a := update(t, w.accounts(t, repository.Options{}), "loading", decide)
			require.Equal(t, 1, decided)
			require.Equal(t, 6, a.state.Balance)
		})

		t.Run("up to the retries", func(t *testing.T) {
			start()
			w.drv.failCommits(100)
			_, err := w.accounts(t, repository.Options{Retries: 3}).Update(t.Context(), "down", decide)
			require.ErrorIs(t, err, errLost)
			require.ErrorContains(t, err, "gave up after 4 tries")
			require.Equal(t, 1, decided)
		})

		t.Run("but other failures are not", func(t *testing.T) {
			start()
			commits := 0
			w.drv.commit = func(context.Context, []driver.Write) ([]driver.Receipt, error) {
				commits++
				return nil, errBroken
			}
			_, err := w.accounts(t, repository.Options{}).Update(t.Context(), "broken", decide)
			require.ErrorIs(t, err, errBroken)
			require.Equal(t, 1, commits)
		})
	})
}
