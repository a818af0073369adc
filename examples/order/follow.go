package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/sales"
	"github.com/tidemark-go/tidemark/projection"
)

func (t *tour) projection(ctx context.Context) error {
	head, err := t.store.Head(ctx)
	if err != nil {
		return err
	}
	t.say("The log ends at position %s. A runner starts:", order.Thousands(head))
	began := time.Now()
	return t.project(ctx, func(runner *projection.Runner) error {
		if err := t.caughtUp(ctx, runner); err != nil {
			return err
		}
		if err := t.status(ctx, runner, time.Since(began)); err != nil {
			return err
		}
		id := t.numbers[0]
		t.say("It follows. The first order is paid and shipped:")
		err := errors.Join(
			t.command(ctx, id, func(o *order.Order) error { return o.Pay(o.Total()) }),
			t.command(ctx, id, func(o *order.Order) error { return o.Ship("Royal Mail") }))
		if err != nil {
			return err
		}
		began = time.Now()
		if err := t.caughtUp(ctx, runner); err != nil {
			return err
		}
		return t.status(ctx, runner, time.Since(began))
	})
}

func (t *tour) status(ctx context.Context, runner *projection.Runner, waited time.Duration) error {
	all, err := runner.Status(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		t.say("   %s is %s, at position %d of %d after %v", s.Projection, s.State, s.Position, s.Head,
			waited.Round(10*time.Microsecond))
	}
	return nil
}

func (t *tour) readModel(ctx context.Context) error {
	orders, err := sales.Orders(ctx, t.db, t.numbers)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "   order\tcustomer\tcountry\tmonth\tstatus\tpounds\n")
	for _, o := range orders {
		fmt.Fprintf(w, "   %s\t%s\t%s\t%s\t%s\t%8v\n", o.ID, o.Customer, o.Country, o.Month, o.Status, o.Total)
	}
	return w.Flush()
}
