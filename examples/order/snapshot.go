package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/repository"
)

func (t *tour) snapshot(ctx context.Context) error {
	id, err := t.number(ctx)
	if err != nil {
		return err
	}
	var loaded repository.Loaded
	orders, err := repository.New(t.store, order.StreamType, order.New, &repository.Options{
		Snapshots: repository.EveryEvents(1000),
		OnLoad:    func(l repository.Loaded) { loaded = l },
	})
	if err != nil {
		return err
	}
	for _, chapter := range []struct {
		text    string
		command func(*order.Order) error
	}{
		{"900 lines are added", func(o *order.Order) error { return errors.Join(place(o), addLines(o, 1, 900)) }},
		{"200 more, and a snapshot is taken", func(o *order.Order) error { return addLines(o, 901, 1100) }},
		{"3 lines are removed", func(o *order.Order) error { return removeLines(o, 7, 8, 9) }},
	} {
		if _, err := orders.Update(ctx, id, chapter.command); err != nil {
			return err
		}
		began := time.Now()
		o, err := orders.Load(ctx, id)
		if err != nil {
			return err
		}
		t.say("%s:", chapter.text)
		t.say("   version %d is loaded from %s in %v; events replayed: %d", o.Version(), origin(loaded),
			time.Since(began).Round(10*time.Microsecond), loaded.Replayed)
	}
	return nil
}

func addLines(o *order.Order, from, to int) error {
	for i := from; i <= to; i++ {
		if err := o.AddLine(line(strconv.Itoa(i), "84077", "BOX OF CLIPS", 1, 29)); err != nil {
			return err
		}
	}
	return nil
}

func removeLines(o *order.Order, numbers ...int) error {
	for _, i := range numbers {
		if err := o.RemoveLine(strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func origin(l repository.Loaded) string {
	if l.SnapshotVersion == 0 {
		return "its events"
	}
	return fmt.Sprintf("the snapshot of version %d", l.SnapshotVersion)
}
