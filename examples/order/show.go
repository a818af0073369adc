package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/repository"
)

// show prints an order's history, and what came of it.
func (d *desk) show(ctx context.Context, id string, out io.Writer) error {
	o, err := d.orders.Load(ctx, id)
	if errors.Is(err, repository.ErrNotFound) {
		return fmt.Errorf("there is no order %s", id)
	}
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "version\trecorded\tevent\t\n")
	for e, err := range d.store.Stream(ctx, stream(id), nil) {
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d\t%s\t%s v%d\t%v\n", e.Version, e.RecordedAt.Local().Format(time.DateTime), e.Type, e.Schema, e.Payload)
	}
	w.Flush()
	fmt.Fprintf(out, "\norder %s is %s, at %v pounds\n", id, o.Status(), o.Total())
	return nil
}

func stream(id string) eventstore.StreamID {
	return eventstore.StreamID{Type: order.StreamType, ID: id}
}
