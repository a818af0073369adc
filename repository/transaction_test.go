package repository_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/repository"
)

// errUndo rolls a transaction back.
var errUndo = errors.New("undo")

func TestS2InACallersTransaction(t *testing.T) {
	onTransactional(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		transact := func(t *testing.T, end error, work func(ctx context.Context)) {
			t.Helper()
			require.ErrorIs(t, w.store.Transact(t.Context(), func(ctx context.Context) error {
				work(ctx)
				return end
			}), end)
		}

		t.Run("events are pending until it commits, and count in the version", func(t *testing.T) {
			a := newAccount("commits")
			a.deposit(5)
			transact(t, nil, func(ctx context.Context) {
				require.NoError(t, accounts.Save(ctx, a))
				require.Len(t, a.Pending(), 1)
				require.Equal(t, int64(1), a.Version())
			})
			require.Empty(t, a.Pending())
			require.Equal(t, int64(1), a.Version())
			sameAccount(t, load(t, accounts, "commits"), a)
		})

		t.Run("after a rollback they are pending again, and another save writes them", func(t *testing.T) {
			a := newAccount("rolls back")
			a.deposit(5)
			transact(t, errUndo, func(ctx context.Context) { require.NoError(t, accounts.Save(ctx, a)) })
			require.Equal(t, []accountEvent{deposited{5}}, a.Pending())
			require.Zero(t, a.Version())
			require.Empty(t, w.payloads(t, "rolls back"))

			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, []any{deposited{5}}, w.payloads(t, "rolls back"))
		})

		t.Run("one that has ended is no news to wait for", func(t *testing.T) {
			var kept context.Context
			for _, end := range []error{nil, errUndo} {
				transact(t, end, func(ctx context.Context) { kept = ctx })
				w.store.OnEnd(kept, func(committed bool) { require.Equal(t, end == nil, committed) })
			}
		})

		for _, end := range []error{nil, errUndo} {
			t.Run(fmt.Sprintf("several saves of one aggregate work, and loads see them; it ends with %v", end), func(t *testing.T) {
				id := fmt.Sprint("several ", end)
				a := update(t, accounts, id, deposit(1))
				transact(t, end, func(ctx context.Context) {
					for _, amount := range []int{5, 6} {
						a.deposit(amount)
						require.NoError(t, accounts.Save(ctx, a))
						seen, err := accounts.Load(ctx, id)
						require.NoError(t, err)
						sameAccount(t, seen, a)
					}
					require.NoError(t, accounts.Save(ctx, a))
				})
				require.Equal(t, 2, len(w.payloads(t, id))-1+len(a.Pending()))
				require.NoError(t, accounts.Save(t.Context(), a))
				require.Equal(t, []any{deposited{1}, deposited{5}, deposited{6}}, w.payloads(t, id))
				sameAccount(t, load(t, accounts, id), a)
			})
		}

		t.Run("a conflict leaves it usable", func(t *testing.T) {
			w.append(t, "conflict", deposited{1})
			a := newAccount("conflict")
			a.deposit(5)
			transact(t, nil, func(ctx context.Context) {
				require.ErrorIs(t, accounts.Save(ctx, a), eventstore.ErrConflict)
				_, err := accounts.Update(ctx, "other", deposit(6))
				require.NoError(t, err)
			})
			require.Len(t, a.Pending(), 1)
			require.Equal(t, []any{deposited{1}}, w.payloads(t, "conflict"))
			require.Equal(t, []any{deposited{6}}, w.payloads(t, "other"))
		})

		t.Run("several aggregates are saved together or not at all", func(t *testing.T) {
			for _, end := range []error{errUndo, nil} {
				transact(t, end, func(ctx context.Context) {
					for _, id := range []string{"from", "to"} {
						_, err := accounts.Update(ctx, id, deposit(5))
						require.NoError(t, err)
					}
				})
			}
			require.Len(t, w.payloads(t, "from"), 1)
			require.Len(t, w.payloads(t, "to"), 1)
		})
	})
}

// unknownEnd saves two deposits in a transaction that commits, with the answer to the commit lost.
func unknownEnd(t *testing.T, w *world, accounts *repository.Repository[*account], id string) *account {
	t.Helper()
	w.drv.onEnd = func(ctx context.Context, f func(bool)) {
		w.drv.backend.(driver.Transactor).OnEnd(ctx, func(bool) { f(false) })
	}
	defer func() { w.drv.onEnd = nil }()
	a := newAccount(id)
	require.NoError(t, w.store.Transact(t.Context(), func(ctx context.Context) error {
		for _, amount := range []int{5, 6} {
			a.deposit(amount)
			require.NoError(t, accounts.Save(ctx, a))
		}
		return nil
	}))
	require.Len(t, a.Pending(), 2)
	return a
}

func TestS2AnUnknownEndOfATransaction(t *testing.T) {
	onTransactional(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})

		t.Run("saving again finds what both saves stored", func(t *testing.T) {
			a := unknownEnd(t, w, accounts, "both")
			w.append(t, "both", deposited{1})
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, int64(2), a.Version())
			require.Empty(t, a.Pending())
		})

		t.Run("saving more stores what is new", func(t *testing.T) {
			a := unknownEnd(t, w, accounts, "more")
			a.deposit(7)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, int64(3), a.Version())
			require.Equal(t, []any{deposited{5}, deposited{6}, deposited{7}}, w.payloads(t, "more"))
		})
	})
}

func TestS3NothingIsTriedAgainInATransaction(t *testing.T) {
	onTransactional(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		require.NoError(t, w.store.Transact(t.Context(), func(ctx context.Context) error {
			decided := 0
			_, err := accounts.Update(ctx, "7", func(a *account) error {
				decided++
				_, err := w.store.Append(ctx, stream("7"), eventstore.Any, eventstore.Events(deposited{1})...)
				require.NoError(t, err)
				a.deposit(5)
				return nil
			})
			require.IsType(t, new(eventstore.ConflictError), err)
			require.Equal(t, 1, decided)
			return nil
		}))
	})
}

func TestS6SnapshotsInATransaction(t *testing.T) {
	onTransactional(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(2)})
		snapshotOf := func(id string) int64 {
			snap, _, err := w.store.LoadSnapshot(t.Context(), stream(id))
			require.NoError(t, err)
			return snap.Version
		}

		t.Run("one that is rolled back is taken by the next save", func(t *testing.T) {
			a := newAccount("undone")
			a.Record(deposited{1}, deposited{2})
			require.ErrorIs(t, w.store.Transact(t.Context(), func(ctx context.Context) error {
				require.NoError(t, accounts.Save(ctx, a))
				return errUndo
			}), errUndo)
			require.Zero(t, snapshotOf("undone"))
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, int64(2), snapshotOf("undone"))
		})

		t.Run("one that fails leaves the transaction usable", func(t *testing.T) {
			w.drv.saveSnapshot = func(context.Context, driver.Snapshot) error { return errBroken }
			defer func() { w.drv.saveSnapshot = nil }()
			require.NoError(t, w.store.Transact(t.Context(), func(ctx context.Context) error {
				for range 3 {
					_, err := accounts.Update(ctx, "fails", deposit(1))
					require.NoError(t, err)
				}
				return nil
			}))
			require.Len(t, w.payloads(t, "fails"), 3)
			require.Contains(t, w.logged(), "took no snapshot")
		})
	})
}
