package projection_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

func TestAnInlineProjectionIsNeverBehind(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		require.NoError(t, projection.Inline(w.store, w.projection("balances", nil)))
		for i := range 5 {
			w.append(t, "ada", deposited{1}, renamed{"Ada"}, deposited{2})
			require.Equal(t, map[string]int{"ada": 3 * (i + 1)}, w.balances.all(t))
		}
		_, err := w.store.AppendAll(t.Context(),
			eventstore.Write{Stream: account("ada"), Expected: eventstore.Any, Events: eventstore.Events(withdrawn{5})},
			eventstore.Write{Stream: account("eve"), Expected: eventstore.NoStream, Events: eventstore.Events(deposited{5})})
		require.NoError(t, err)
		require.Equal(t, map[string]int{"ada": 10, "eve": 5}, w.balances.all(t))
	})
}

func TestAnInlineProjectionSeesEventsAsAReaderDoes(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		var got []eventstore.Event
		p := projection.New("all", &projection.Options{StreamTypes: []string{"account"}})
		projection.On(p, func(_ context.Context, e projection.Event[any]) error { got = append(got, e.Event); return nil })
		require.NoError(t, projection.Inline(w.store, p))
		other := eventstore.StreamID{Type: "savings", ID: "ada"}
		_, err := w.store.Append(t.Context(), other, eventstore.Any, eventstore.Events(deposited{1})...)
		require.NoError(t, err)
		w.append(t, "ada", deposited{1}, renamed{"Ada"})
		w.append(t, "ada", withdrawn{1})
		page, err := w.store.ReadAll(t.Context(), 0, &eventstore.ReadOptions{StreamTypes: []string{"account"}})
		require.NoError(t, err)
		require.Equal(t, page.Events, got)
	})
}

func TestAnInlineHandlersErrorUndoesTheAppend(t *testing.T) {
	for name, refuse := range map[string]func() error{
		"an error": func() error { return errRefused },
		"a panic":  func() error { panic(errRefused) },
	} {
		t.Run(name, func(t *testing.T) {
			onSQL(t, func(t *testing.T, w *world) {
				p := projection.New("strict", nil)
				projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
					if err := w.balances.add(ctx, e.Stream.ID, e.Payload.cents()); err != nil {
						return err
					}
					if e.Payload.cents() < 0 {
						return refuse()
					}
					return nil
				})
				require.NoError(t, projection.Inline(w.store, p))
				w.append(t, "ada", deposited{1})
				_, err := w.store.Append(t.Context(), account("ada"), eventstore.Any, eventstore.Events(deposited{1}, withdrawn{9})...)
				require.ErrorIs(t, err, errRefused)
				require.ErrorContains(t, err, `projection: "strict" refuses the append`)
				require.Equal(t, map[string]int{"ada": 1}, w.balances.all(t))
				require.Equal(t, w.replay(t), w.balances.all(t))
				w.append(t, "ada", deposited{1})
				require.Equal(t, map[string]int{"ada": 2}, w.balances.all(t))
			})
		})
	}
}

func TestAnInlineProjectionHandlesConflictsRetriesAndCallersTransactionsOnce(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		require.NoError(t, projection.Inline(w.store, w.projection("balances", nil)))
		events := []eventstore.NewEvent{{ID: w.store.NewID(), Payload: deposited{1}}}
		first, err := w.store.Append(t.Context(), account("ada"), eventstore.NoStream, events...)
		require.NoError(t, err)
		again, err := w.store.Append(t.Context(), account("ada"), eventstore.NoStream, events...)
		require.NoError(t, err)
		require.True(t, again.Duplicate)
		require.Equal(t, first.Position, again.Position)
		_, err = w.store.Append(t.Context(), account("ada"), eventstore.NoStream, eventstore.Events(deposited{1})...)
		require.ErrorIs(t, err, eventstore.ErrConflict)
		require.Equal(t, map[string]int{"ada": 1}, w.balances.all(t))

		err = sqltx.In(t.Context(), w.balances.(tableBalances).db, func(ctx context.Context) error {
			_, err := w.store.Append(ctx, account("ada"), eventstore.Exactly(1), eventstore.Events(deposited{1})...)
			return errors.Join(err, errRefused)
		})
		require.ErrorIs(t, err, errRefused)
		require.Equal(t, map[string]int{"ada": 1}, w.balances.all(t))
		err = sqltx.In(t.Context(), w.balances.(tableBalances).db, func(ctx context.Context) error {
			_, err := w.store.Append(ctx, account("ada"), eventstore.Exactly(1), eventstore.Events(deposited{1})...)
			return err
		})
		require.NoError(t, err)
		require.Equal(t, map[string]int{"ada": 2}, w.balances.all(t))
	})
}

func TestAnInlineProjectionKeepsUpWithManyWriters(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		require.NoError(t, projection.Inline(w.store, w.projection("balances", nil)))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 10 {
					_, err := w.store.Append(t.Context(), account(fmt.Sprint(i%3)), eventstore.Any, eventstore.Events(deposited{1})...)
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, w.replay(t), w.balances.all(t))
		require.Equal(t, map[string]int{"0": 30, "1": 30, "2": 20}, w.balances.all(t))
	})
}

func TestInlineNamesEachMistake(t *testing.T) {
	onSQLite(t, func(t *testing.T, w *world) {
		require.EqualError(t, projection.Inline(nil), "projection: Inline needs a store")
		require.EqualError(t, projection.Inline(w.store), "projection: Inline needs a projection")
		effect := projection.New("mail", nil)
		projection.SideEffect(effect, nothing[deposited])
		require.EqualError(t, projection.Inline(w.store, effect, nil, projection.New("idle", &projection.Options{StreamTypes: []string{""}})),
			"projection: \"mail\": it has a handler of SideEffect, which would be called for an append that may be undone: give it to a Runner\n"+
				"projection: projection 2 of Inline: it is nil\n"+
				"projection: \"idle\": it has no handler: give it some with On or OnBatch\n"+
				"projection: \"idle\": the option StreamTypes: eventstore: stream type \"\" is empty")
		require.NoError(t, projection.Inline(w.store, w.projection("balances", nil)))
		require.EqualError(t, projection.Inline(w.store, w.projection("balances", nil)),
			"eventstore: OnAppend was called before: have one function do both")
	})
	inMemory(t, func(t *testing.T, w *world) {
		require.ErrorIs(t, projection.Inline(w.store, w.projection("balances", nil)), eventstore.ErrNotSupported)
	})
}
