package orderfile_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/orderfile"
	"github.com/tidemark-go/tidemark/repository"
)

type orders = repository.Repository[*order.Order]

func newOrders(t *testing.T) (*eventstore.Store, *orders) {
	t.Helper()
	store, err := eventstore.New(memory.New(), order.Registry(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	repo, err := repository.New(store, order.StreamType, order.New, nil)
	require.NoError(t, err)
	return store, repo
}

func tally(rows int, amount string) orderfile.Tally {
	money, _ := order.ParseMoney(amount)
	return orderfile.Tally{Rows: rows, Amount: money}
}

// refused is what no order takes of the sample.
func refused() map[order.Refusal]orderfile.Refused {
	return map[order.Refusal]orderfile.Refused{
		order.ErrQuantity:  {Tally: tally(4, "0"), Lines: []int{13, 25, 30, 36}},
		order.ErrPrice:     {Tally: tally(2, "-1062.06"), Lines: []int{16, 23}},
		order.ErrNoSKU:     {Tally: tally(1, "4.95"), Lines: []int{26}},
		order.ErrNoCountry: {Tally: tally(1, "12.48"), Lines: []int{41}},
	}
}

// requireRecorded compares what the streams hold with what they should hold after a whole import.
func requireRecorded(t *testing.T, store *eventstore.Store) {
	t.Helper()
	var got orderfile.Tally
	placed := 0
	for e, err := range store.All(t.Context(), 0, nil) {
		require.NoError(t, err)
		switch p := e.Payload.(type) {
		case order.Placed:
			placed++
		case order.LineAdded:
			got.Rows, got.Amount = got.Rows+1, got.Amount+p.Amount()
		case order.LineReturned:
			got.Rows, got.Amount = got.Rows+1, got.Amount-p.Amount()
		}
	}
	require.Equal(t, tally(32, "690.879"), got)
	require.Equal(t, 17, placed, "an order that no line was taken of is not placed")
}

func TestImportAccountsForEveryRow(t *testing.T) {
	store, repo := newOrders(t)
	rows := sample(t)
	invoices := orderfile.Invoices(rows)
	require.Len(t, invoices, 21)

	var progress []int
	result, err := orderfile.Import(t.Context(), repo, invoices,
		&orderfile.Options{Workers: 1, Progress: func(done int) { progress = append(progress, done) }})
	require.NoError(t, err)
	require.Equal(t, orderfile.Result{Invoices: 21, Recorded: tally(32, "690.879"), Refused: refused()}, result)
	require.Equal(t, tally(40, "-353.751"), result.Total())
	require.Equal(t, orderfile.Total(rows), result.Total())
	require.Len(t, progress, 21)
	require.Equal(t, 21, progress[20])
	requireRecorded(t, store)

	t.Run("and the same file again adds nothing", func(t *testing.T) {
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		result, err := orderfile.Import(t.Context(), repo, orderfile.Invoices(sample(t)), &orderfile.Options{Workers: 1})
		require.NoError(t, err)
		require.Equal(t, orderfile.Result{Invoices: 21, Known: tally(32, "690.879"), Refused: refused()}, result)
		after, err := store.Head(t.Context())
		require.NoError(t, err)
		require.Equal(t, head, after)
	})
}

func TestAnOrderTakesTheRowsThatALaterFileHasOfItMore(t *testing.T) {
	store, repo := newOrders(t)
	rows := sample(t)
	for _, part := range [][]orderfile.Row{rows[:17], rows} {
		_, err := orderfile.Import(t.Context(), repo, orderfile.Invoices(part), nil)
		require.NoError(t, err)
	}
	requireRecorded(t, store)
}

func TestRowsOfAnOrderThatTakesNoMoreAreRefused(t *testing.T) {
	_, repo := newOrders(t)
	rows := sample(t)
	_, err := orderfile.Import(t.Context(), repo, orderfile.Invoices(rows[:1]), nil)
	require.NoError(t, err)
	_, err = repo.Update(t.Context(), "600001", func(o *order.Order) error { return o.Pay(o.Total()) })
	require.NoError(t, err)

	result, err := orderfile.Import(t.Context(), repo, orderfile.Invoices(rows[:3]), nil)
	require.NoError(t, err)
	require.Equal(t, tally(1, "7.50"), result.Known)
	require.Equal(t, orderfile.Refused{Tally: tally(1, "8.50"), Lines: []int{4}}, result.Refused[order.ErrStatus])
}

func TestAnInterruptedImportResumes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	store, repo := newOrders(t)
	invoices := orderfile.Invoices(sample(t))

	for range 30 {
		ctx, cancel := context.WithCancel(t.Context())
		last := 1 + random.IntN(len(invoices)-1)
		result, err := orderfile.Import(ctx, repo, invoices, &orderfile.Options{Workers: 3, Progress: func(done int) {
			if done == last {
				cancel()
			}
		}})
		cancel()
		require.ErrorIs(t, err, context.Canceled)
		require.GreaterOrEqual(t, result.Invoices, last)
	}
	result, err := orderfile.Import(t.Context(), repo, invoices, nil)
	require.NoError(t, err)
	require.Equal(t, tally(40, "-353.751"), result.Total())
	requireRecorded(t, store)
}

func TestImportsAtTheSameTimeDoTheWorkOnce(t *testing.T) {
	store, repo := newOrders(t)
	invoices := orderfile.Invoices(sample(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := orderfile.Import(t.Context(), repo, invoices, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	requireRecorded(t, store)
}

func TestAnErrorThatIsNoRefusalEndsTheImport(t *testing.T) {
	store, repo := newOrders(t)
	require.NoError(t, store.Close())
	result, err := orderfile.Import(t.Context(), repo, orderfile.Invoices(sample(t)), nil)
	require.ErrorIs(t, err, eventstore.ErrClosed)
	require.ErrorContains(t, err, "invoice ")
	require.Equal(t, orderfile.Result{}, result)
}
