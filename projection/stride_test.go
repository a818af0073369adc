package projection_test

import (
	"context"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

// batches has a projection catch up with 6,000 deposits, and returns how many went into each transaction.
func batches(t *testing.T, w *world, make func(count func(ctx context.Context, n int)) *projection.Projection) (sizes []int) {
	t.Helper()
	var last int64
	for range 6 {
		last = w.append(t, "a", many(1000)...)
	}
	var tx *sqlx.Tx
	r := w.start(t, make(func(ctx context.Context, n int) {
		now, ok := sqltx.From(ctx)
		require.True(t, ok)
		if now != tx {
			tx, sizes = now, append(sizes, 0)
		}
		sizes[len(sizes)-1] += n
	}))
	r.reach(t, "p", last)
	require.NoError(t, r.stop())
	return sizes
}

func many(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = deposited{1}
	}
	return list
}

func each(n, size int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = size
	}
	return list
}

func TestAProjectionThatIsBehindTakesMorePagesInATransactionWhileThatIsQuick(t *testing.T) {
	on := func(opts *projection.Options, pause time.Duration) func(func(context.Context, int)) *projection.Projection {
		return func(count func(context.Context, int)) *projection.Projection {
			p := projection.New("p", opts)
			projection.On(p, func(ctx context.Context, _ projection.Event[deposited]) error {
				time.Sleep(pause)
				count(ctx, 1)
				return nil
			})
			return p
		}
	}
	onSQL(t, func(t *testing.T, w *world) {
		require.Equal(t, []int{500, 1000, 2000, 2500}, batches(t, w, on(nil, 0)))
	})
	t.Run("not if handlers are slow", func(t *testing.T) {
		onSQLite(t, func(t *testing.T, w *world) {
			require.Equal(t, each(12, 500), batches(t, w, on(nil, time.Millisecond)))
		})
	})
	t.Run("not if the user says how many", func(t *testing.T) {
		onSQLite(t, func(t *testing.T, w *world) {
			require.Equal(t, each(6, 1000), batches(t, w, on(&projection.Options{BatchSize: 1000}, 0)))
		})
	})
	t.Run("not if the handler gets whole batches", func(t *testing.T) {
		onSQLite(t, func(t *testing.T, w *world) {
			require.Equal(t, each(12, 500), batches(t, w, func(count func(context.Context, int)) *projection.Projection {
				p := projection.New("p", nil)
				projection.OnBatch(p, func(ctx context.Context, events []eventstore.Event) error {
					count(ctx, len(events))
					return nil
				})
				return p
			}))
		})
	})
	t.Run("not if what it does can't be rolled back", func(t *testing.T) {
		onSQLite(t, func(t *testing.T, w *world) {
			require.Equal(t, each(12, 500), batches(t, w, func(count func(context.Context, int)) *projection.Projection {
				p := projection.New("p", nil)
				projection.SideEffect(p, func(ctx context.Context, _ projection.Event[deposited]) error {
					count(ctx, 1)
					return nil
				})
				return p
			}))
		})
	})
}

// TestAFailureInALargeTransactionIsFoundAndNothingIsLost has an event fail twice that comes when batches have grown.
func TestAFailureInALargeTransactionIsFoundAndNothingIsLost(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		var last int64
		for range 6 {
			last = w.append(t, "a", many(1000)...)
		}
		fails := times(2, errRefused)
		p := projection.New("balances", nil)
		projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
			if e.Version == 3210 {
				if err := fails(); err != nil {
					return err
				}
			}
			return w.balances.add(ctx, e.Stream.ID, e.Payload.cents())
		})
		r := w.start(t, p)
		r.reach(t, "balances", last)
		require.NoError(t, r.stop())
		w.requireReplayed(t)
	})
}
