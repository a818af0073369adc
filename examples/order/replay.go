package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/sales"
	"github.com/tidemark-go/tidemark/projection"
)

// replay builds the read model again.
func (d *desk) replay(ctx context.Context, out io.Writer) error {
	before, err := sales.Total(ctx, d.db)
	if err != nil {
		return err
	}
	if err := sales.Reset(ctx, d.store); err != nil {
		return err
	}
	runner, err := projection.NewRunner(d.store, nil, sales.Projection())
	if err != nil {
		return err
	}
	began := time.Now()
	if err := runner.CatchUp(ctx); err != nil {
		return err
	}
	head, err := d.store.Head(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The read model was thrown away at %v pounds and built again from %s positions of the log in %v: %s a second\n",
		before, order.Thousands(head), time.Since(began).Round(time.Millisecond), perSecond(int(head), began))
	return d.report(ctx, out)
}
