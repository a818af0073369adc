package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
)

// demoMaster is for a tour only: it stands here in the open, so it protects nothing. A real program has its master key
// from a secret manager.
const demoMaster = "VGhpcyBrZXkgaXMgZm9yIGEgdG91ciBvbmx5LiBOb3Q="

// openKeys opens the database for the customers' keys: not the one of the events, so that the backups of the two can be
// kept apart.
func openKeys(ctx context.Context, c config) (database, error) {
	switch {
	case c.dsn != "":
		return postgres.Open(ctx, c.dsn, &postgres.Options{Schema: "order_keys"})
	case c.db != "":
		return sqlite.Open(ctx, c.db+".keys", nil)
	default:
		return sqlite.Open(ctx, ":memory:", nil)
	}
}

func openVault(ctx context.Context, reg *serializer.Registry, keys database) (*privacy.Vault, error) {
	master, err := privacy.ParseMasterKey(cmp.Or(os.Getenv("ORDER_MASTER_KEY"), demoMaster))
	if err != nil {
		return nil, err
	}
	return privacy.Open(ctx, reg, keys, master, nil)
}

// forget makes a customer's name and addresses unreadable, in all orders at once.
func (d *desk) forget(ctx context.Context, customer string, out io.Writer) error {
	known, err := d.vault.Forget(ctx, customer)
	switch {
	case err != nil:
		return err
	case known:
		fmt.Fprintf(out, "customer %s is forgotten: names and addresses in the orders can't be read any more\n", customer)
	default:
		fmt.Fprintf(out, "customer %s has no key: nothing personal is stored, or it was forgotten before\n", customer)
	}
	return nil
}

// privacy sends an order to somebody who is then forgotten.
func (t *tour) privacy(ctx context.Context) error {
	id, err := t.number(ctx)
	if err != nil {
		return err
	}
	orders, err := repository.New(t.store, order.StreamType, order.New, &repository.Options{
		Snapshots: repository.EveryEvents(2),
		Logger:    slog.New(slog.DiscardHandler), // it would tell of the snapshot that is not used any more
	})
	if err != nil {
		return err
	}
	to := order.Address{Customer: "C" + id, Name: "Ada Lovelace", Street: "12 St James's Square"}
	t.say("SendTo(%v)", to)
	_, err = orders.Update(ctx, id, func(o *order.Order) error { return errors.Join(place(o), o.SendTo(to)) })
	if err != nil {
		return err
	}
	if err := t.showAddress(ctx, orders, id); err != nil {
		return err
	}
	known, err := t.vault.Forget(ctx, to.Customer)
	if err != nil || !known {
		return cmp.Or(err, errors.New("the customer had no key"))
	}
	t.say("The key of customer %s is destroyed:", to.Customer)
	return t.showAddress(ctx, orders, id)
}

// showAddress shows what each way of reading makes of an order's address.
func (t *tour) showAddress(ctx context.Context, orders *repository.Repository[*order.Order], id string) error {
	for e, err := range t.store.Stream(ctx, stream(id), &eventstore.StreamOptions{From: 2, Raw: true}) {
		if err != nil {
			return err
		}
		t.say("   stored    %.60s...", e.Raw)
	}
	for e, err := range t.store.Stream(ctx, stream(id), &eventstore.StreamOptions{From: 2}) {
		if err != nil {
			return err
		}
		t.say("   stream    %v", e.Payload)
	}
	for e, err := range t.store.All(ctx, 0, &eventstore.ReadOptions{Types: []string{"order.addressed"}}) {
		if err != nil {
			return err
		}
		if e.Stream == stream(id) {
			t.say("   log       %v", e.Payload)
		}
	}
	switch snap, _, err := t.store.LoadSnapshot(ctx, stream(id)); {
	case err == nil:
		t.say("   snapshot  %v", snap.State.(order.State).To)
	case errors.As(err, new(*eventstore.SnapshotError)):
		t.say("   snapshot  can't be used any more")
	default:
		return err
	}
	o, err := orders.Load(ctx, id)
	if err != nil {
		return err
	}
	t.say("   order     %v", o.To())
	return nil
}
