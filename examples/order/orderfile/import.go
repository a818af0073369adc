package orderfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/repository"
)

// Options adjusts Import. The zero value works.
type Options struct {
	// Workers is how many invoices are replayed at a time. Appends that come together share a commit. Default: 32.
	Workers int
	// Progress, if set, is called after each invoice, one call at a time, with how many are done. Default: none.
	Progress func(done int)
}

// Import replays invoices on their orders, one commit for each. It may end anywhere, by an error, by the end of ctx or of
// the process, and be started again: what is stored is known by its ID. With an error comes the result so far.
func Import(ctx context.Context, orders *repository.Repository[*order.Order], invoices []Invoice, opts *Options) (Result, error) {
	o := cmp.Or(opts, &Options{})
	var mu sync.Mutex // guards total and calls of Progress
	var total Result
	err := inParallel(ctx, len(invoices), cmp.Or(o.Workers, 32), func(ctx context.Context, i int) error {
		result, err := invoices[i].store(ctx, orders)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		total.join(result)
		if o.Progress != nil {
			o.Progress(total.Invoices)
		}
		return nil
	})
	return total, err
}

// store loads the invoice's order, replays the rows and saves it; again, if somebody else did so at the same time.
func (inv *Invoice) store(ctx context.Context, orders *repository.Repository[*order.Order]) (Result, error) {
	var result Result
	_, err := orders.Update(ctx, inv.ID, func(o *order.Order) (err error) {
		result, err = inv.replay(o)
		return err
	})
	if err != nil && !errors.Is(err, errNothingNew) {
		return Result{}, fmt.Errorf("invoice %s: %w", inv.ID, err)
	}
	result.Invoices = 1
	return result, nil
}

// inParallel calls do for 0 to n-1, in as many goroutines as there are workers. It returns when all of them have ended:
// after the first error, which it returns, after the last call, or when ctx has ended.
func inParallel(ctx context.Context, n, workers int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var next atomic.Int64
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
