package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/sales"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/repository"
)

// desk is everything the program works with, put together once.
type desk struct {
	driver driver.Store
	keys   database // of the customers, for what is personal
	vault  *privacy.Vault
	db     *sqlx.DB // of the driver; the read model is kept in it, too
	store  *eventstore.Store
	orders *repository.Repository[*order.Order]
}

// database is a driver that keeps everything in a SQL database.
type database interface {
	driver.Store
	privacy.KeyStore
	DB() *sqlx.DB
}

// openDatabase is the only place that knows which database it is.
func openDatabase(ctx context.Context, c config) (database, error) {
	if c.dsn != "" {
		return postgres.Open(ctx, c.dsn, nil)
	}
	return sqlite.Open(ctx, cmp.Or(c.db, ":memory:"), nil)
}

func openDesk(ctx context.Context, c config) (*desk, error) {
	drv, err := openDatabase(ctx, c)
	if err != nil {
		return nil, err
	}
	keys, err := openKeys(ctx, c)
	if err != nil {
		return nil, errors.Join(err, drv.Close())
	}
	d := &desk{driver: drv, db: drv.DB(), keys: keys}
	if err := d.assemble(ctx); err != nil {
		return nil, errors.Join(err, drv.Close(), keys.Close())
	}
	return d, nil
}

func (d *desk) close() error { return errors.Join(d.store.Close(), d.keys.Close()) }

func (d *desk) assemble(ctx context.Context) error {
	upcasters, err := order.Upcasters()
	if err != nil {
		return err
	}
	reg := order.Registry()
	if d.vault, err = openVault(ctx, reg, d.keys); err != nil {
		return err
	}
	d.store, err = eventstore.New(d.driver, reg, &eventstore.Options{Upcasters: upcasters, Protector: d.vault})
	if err != nil {
		return err
	}
	d.orders, err = repository.New(d.store, order.StreamType, order.New, nil)
	if err != nil {
		return err
	}
	return sales.CreateTables(ctx, d.db)
}

// project runs the projection while work does, and until the read model has all that work has appended. A real service
// runs it for as long as it lives.
func (d *desk) project(ctx context.Context, work func(r *projection.Runner) error) error {
	runner, err := projection.NewRunner(d.store, nil, sales.Projection())
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(running) }()
	if err = work(runner); err == nil {
		err = d.caughtUp(ctx, runner)
	}
	stop()
	return errors.Join(err, <-ended)
}

// caughtUp returns when the read model has every event that was committed before. Nobody else appends here, so the head is
// where the last of them stands; a service that has others beside it waits for the Position of what it has updated.
func (d *desk) caughtUp(ctx context.Context, r *projection.Runner) error {
	head, err := d.store.Head(ctx)
	if err != nil {
		return err
	}
	return r.WaitFor(ctx, sales.Name, head)
}
