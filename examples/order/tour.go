package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
)

// tour is the walk through the framework that the program takes without a command.
type tour struct {
	*desk
	out     io.Writer
	numbers []string // of the orders it has placed
}

func (d *desk) tour(ctx context.Context, out io.Writer) error {
	t := &tour{desk: d, out: out}
	for i, station := range []struct {
		title string
		visit func(context.Context) error
	}{
		{"Commands record events, or refuse", t.commands},
		{"Two writers race, and one decides again", t.race},
		{"An old event is read as a new one", t.oldEvent},
		{"An order is loaded from a snapshot and the events after it", t.snapshot},
		{"A projection catches up, and follows", t.projection},
		{"The read model", t.readModel},
		{"A customer is forgotten", t.privacy},
	} {
		fmt.Fprintf(out, "\n%d. %s\n\n", i+1, station.title)
		if err := station.visit(ctx); err != nil {
			return err
		}
	}
	fmt.Fprint(out, next)
	return nil
}

const next = `
The code is in examples/order: order is the domain, sales the read model, desk.go puts them together. Go on with

   go run ./examples/order -db shop.db -import examples/order/testdata/orders.csv
   go run ./examples/order -db shop.db show 600008
`

func (t *tour) say(format string, args ...any) { fmt.Fprintf(t.out, "   "+format+"\n", args...) }

// number returns a number that no order has yet, also where a kept database is visited again.
func (t *tour) number(ctx context.Context) (string, error) {
	head, err := t.store.Head(ctx)
	id := fmt.Sprintf("T%d", 1001+head)
	t.numbers = append(t.numbers, id)
	return id, err
}

func place(o *order.Order) error {
	return o.Place("12345", "France", time.Date(2011, 12, 6, 10, 32, 0, 0, time.UTC))
}

func line(id, sku, description string, quantity int, price order.Money) order.Line {
	return order.Line{ID: id, SKU: sku, Description: description, Quantity: quantity, Price: price}
}

func (t *tour) commands(ctx context.Context) error {
	id, err := t.number(ctx)
	if err != nil {
		return err
	}
	mugs := line("1", "21071", "BLUE MUG", 6, order.Pence(125))
	scales := line("2", "22625", "KITCHEN SCALES", 1, order.Pence(850))
	for _, command := range []struct {
		text string
		call func(*order.Order) error
	}{
		{"Place(12345, France)", place},
		{"AddLine(" + mugs.String() + ")", func(o *order.Order) error { return o.AddLine(mugs) }},
		{"AddLine(" + scales.String() + ")", func(o *order.Order) error { return o.AddLine(scales) }},
		{"RemoveLine(2)", func(o *order.Order) error { return o.RemoveLine("2") }},
		{"Ship(Royal Mail)", func(o *order.Order) error { return o.Ship("Royal Mail") }},
	} {
		t.say("%s", command.text)
		if err := t.command(ctx, id, command.call); err != nil {
			return err
		}
	}
	return nil
}

// command calls a command on an order and shows what came of it.
func (t *tour) command(ctx context.Context, id string, call func(*order.Order) error) error {
	var before int64
	_, err := t.orders.Update(ctx, id, func(o *order.Order) error {
		before = o.Version()
		return call(o)
	})
	if errors.As(err, new(order.Refusal)) {
		t.say("   refused: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	for e, err := range t.store.Stream(ctx, stream(id), &eventstore.StreamOptions{From: before + 1}) {
		if err != nil {
			return err
		}
		t.say("   %d  %-18s  %v", e.Version, e.Type, e.Payload)
	}
	return nil
}
