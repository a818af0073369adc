package repository_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/repository"
)

func TestS1CommandsSeeEarlierOnes(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		transfer := func(a *account) error {
			a.deposit(5)
			return a.withdraw(5)
		}

		t.Run("in one unit of work", func(t *testing.T) {
			a := update(t, accounts, "7", transfer)
			require.Equal(t, int64(2), a.Version())
			require.Zero(t, a.state.Balance)
		})

		t.Run("in the next one, on the same value and on a loaded one", func(t *testing.T) {
			a := load(t, accounts, "7")
			a.deposit(2)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.NoError(t, a.withdraw(2))
			require.NoError(t, accounts.Save(t.Context(), a))
			require.ErrorIs(t, load(t, accounts, "7").withdraw(1), errOverdrawn)
		})
	})
}

func TestS2PendingUntilDurable(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})

		t.Run("a save that succeeds clears them, and another one writes nothing", func(t *testing.T) {
			a := newAccount("clears")
			a.deposit(5)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Empty(t, a.Pending())
			require.Equal(t, int64(1), a.Version())
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Len(t, w.payloads(t, "clears"), 1)
		})

		t.Run("nothing pending is no call to the database", func(t *testing.T) {
			w.drv.commit = func(context.Context, []driver.Write) ([]driver.Receipt, error) { return nil, errBroken }
			defer func() { w.drv.commit = nil }()
			require.NoError(t, accounts.Save(t.Context(), newAccount("nothing")))
			require.NoError(t, accounts.Save(t.Context(), load(t, accounts, "clears")))
		})

		t.Run("they stay pending after a conflict, and saving again never succeeds without writing", func(t *testing.T) {
			a := newAccount("conflict")
			a.deposit(5)
			w.append(t, "conflict", deposited{1})
			for range 3 {
				err := accounts.Save(t.Context(), a)
				var conflict *eventstore.ConflictError
				require.ErrorAs(t, err, &conflict)
				require.Equal(t, eventstore.ConflictError{Stream: stream("conflict"), Actual: 1}, *conflict)
				require.Equal(t, []accountEvent{deposited{5}}, a.Pending())
				require.Zero(t, a.Version())
			}
			require.Equal(t, []any{deposited{1}}, w.payloads(t, "conflict"))
		})

		t.Run("they stay pending after a failure, and saving again writes them", func(t *testing.T) {
			a := newAccount("failure")
			a.deposit(5)
			w.drv.failCommits(2)
			for range 2 {
				require.ErrorIs(t, accounts.Save(t.Context(), a), errLost)
				require.Equal(t, []accountEvent{deposited{5}}, a.Pending())
			}
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Empty(t, a.Pending())
			require.Equal(t, []any{deposited{5}}, w.payloads(t, "failure"))
		})

		t.Run("a payload that can't be written leaves nothing and all pending", func(t *testing.T) {
			a := newAccount("forgotten")
			a.deposit(5)
			a.Record(forgotten{Amount: 1})
			err := accounts.Save(t.Context(), a)
			require.ErrorIs(t, err, eventstore.ErrUnknownEvent)
			require.ErrorContains(t, err, "account-forgotten")
			require.ErrorContains(t, err, "repository_test.forgotten")
			require.Len(t, a.Pending(), 2)
			require.Empty(t, w.payloads(t, "forgotten"))
		})

		t.Run("a nil event is refused", func(t *testing.T) {
			a := newAccount("nil")
			a.Record(nil)
			require.Error(t, accounts.Save(t.Context(), a))
			require.Len(t, a.Pending(), 1)
		})

		t.Run("a context that has ended writes nothing", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			a := newAccount("ended")
			a.deposit(5)
			require.ErrorIs(t, accounts.Save(ctx, a), context.Canceled)
			require.Len(t, a.Pending(), 1)
			require.Empty(t, w.payloads(t, "ended"))
		})
	})
}

// When the answer of a commit is lost, nobody knows whether the events are stored. These tests let them be.
func TestS2LostAnswers(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		lost := func(t *testing.T, a *account) {
			t.Helper()
			w.drv.loseAnswers(1)
			require.ErrorIs(t, accounts.Save(t.Context(), a), errLost)
		}

		t.Run("saving again finds the events stored", func(t *testing.T) {
			a := newAccount("again")
			a.deposit(5)
			a.deposit(6)
			lost(t, a)
			require.Len(t, a.Pending(), 2)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Empty(t, a.Pending())
			require.Equal(t, int64(2), a.Version())
			require.Equal(t, []any{deposited{5}, deposited{6}}, w.payloads(t, "again"))
		})

		t.Run("so does saving more", func(t *testing.T) {
			a := newAccount("more")
			a.deposit(5)
			lost(t, a)
			a.deposit(6)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Empty(t, a.Pending())
			require.Equal(t, int64(2), a.Version())
			require.Equal(t, []any{deposited{5}, deposited{6}}, w.payloads(t, "more"))
		})

		t.Run("so does saving more after several tries, of which the first arrived", func(t *testing.T) {
			a := newAccount("first")
			a.deposit(5)
			lost(t, a)
			for _, amount := range []int{6, 7} {
				a.deposit(amount)
				w.drv.failCommits(1)
				require.ErrorIs(t, accounts.Save(t.Context(), a), errLost)
			}
			a.deposit(8)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, int64(4), a.Version())
			require.Equal(t, []any{deposited{5}, deposited{6}, deposited{7}, deposited{8}}, w.payloads(t, "first"))
		})

		t.Run("so does saving more after several tries, of which a later one arrived", func(t *testing.T) {
			a := newAccount("later")
			a.deposit(5)
			w.drv.failCommits(1)
			require.ErrorIs(t, accounts.Save(t.Context(), a), errLost)
			a.deposit(6)
			lost(t, a)
			a.deposit(7)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, int64(3), a.Version())
			require.Equal(t, []any{deposited{5}, deposited{6}, deposited{7}}, w.payloads(t, "later"))
		})

		t.Run("another writer's events in between are a conflict for what is new, and only for that", func(t *testing.T) {
			a := newAccount("between")
			a.deposit(5)
			lost(t, a)
			w.append(t, "between", deposited{1})
			a.deposit(6)
			require.ErrorIs(t, accounts.Save(t.Context(), a), eventstore.ErrConflict)
			require.Equal(t, int64(1), a.Version())
			require.Equal(t, []accountEvent{deposited{6}}, a.Pending())
			require.Equal(t, []any{deposited{5}, deposited{1}}, w.payloads(t, "between"))
		})

		t.Run("a failure to find out leaves all pending", func(t *testing.T) {
			a := newAccount("find out")
			a.deposit(5)
			lost(t, a)
			a.deposit(6)
			w.drv.readStream = func(context.Context, driver.StreamQuery) ([]driver.Record, error) { return nil, errLost }
			err := accounts.Save(t.Context(), a)
			w.drv.readStream = nil
			require.ErrorIs(t, err, errLost)
			require.Len(t, a.Pending(), 2)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, []any{deposited{5}, deposited{6}}, w.payloads(t, "find out"))
		})

		t.Run("events that were stored by somebody else under these ids stay an error", func(t *testing.T) {
			store := w.newStore(t, newRegistry(), &eventstore.Options{NewID: func() uuid.UUID { return uuid.UUID{15: 42} }})
			accounts, err := newAccounts(store, nil)
			require.NoError(t, err)
			update(t, accounts, "somebody", deposit(5))
			_, err = accounts.Update(t.Context(), "else", deposit(5))
			require.ErrorIs(t, err, eventstore.ErrIdempotency)
		})
	})
}

func TestSaveRefusesWhatIsNoAggregate(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		require.EqualError(t, accounts.Save(t.Context(), new(account)), `repository: save to "account": aggregate: `+
			`Init was not called: call it in the constructor, as in o.Init(id, o.apply)`)
		copied := *newAccount("7")
		require.ErrorContains(t, accounts.Save(t.Context(), &copied), "copied after Init")
	})
}

func TestS2ALongRunOfFailuresLosesAndRepeatsNothing(t *testing.T) {
	const saves = 200
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		a := newAccount("random")
		var want []any
		for i := range saves {
			a.deposit(i)
			want = append(want, deposited{i})
			switch i % 7 {
			case 1, 2, 5:
				w.drv.loseAnswers(1)
			case 3:
				w.drv.failCommits(1)
			}
			_ = accounts.Save(t.Context(), a)
			require.Equal(t, len(want), int(a.Version())+len(a.Pending()), fmt.Sprintf("save %d", i))
		}
		w.drv.commit = nil
		require.NoError(t, accounts.Save(t.Context(), a))
		require.Equal(t, want, w.payloads(t, "random"))
		require.Empty(t, a.Pending())
	})
}
