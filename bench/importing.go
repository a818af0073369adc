package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/orderfile"
	"github.com/tidemark-go/tidemark/repository"
)

const importWorkers = 32 // as many as orderfile.Import has

func imports() []contest {
	var list []contest
	for _, dbms := range databases() {
		list = append(list, contest{
			name:  dbms + "/import",
			title: title(dbms) + ": import a file of real orders",
			unit:  "orders/s",
			enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterImport(ctx, dbms) },
		})
	}
	return list
}

func (b *bench) enterImport(ctx context.Context, dbms string) ([]entrant, error) {
	if b.orders == "" {
		b.note("%s/import: no file of orders was named (-orders)", dbms)
		return nil, nil
	}
	invoices, err := readInvoices(b.orders)
	if err != nil {
		return nil, err
	}
	histories, events, err := historiesOf(ctx, invoices)
	if err != nil {
		return nil, err
	}
	if dbms == "postgres" && b.admin == nil {
		return nil, nil
	}
	b.note("%s invoices become %s events of %s orders, %d workers. Tidemark loads each order, has it decide, and saves; the "+
		"template is handed the finished events", thousands(len(invoices)), thousands(events), thousands(len(histories)), importWorkers)
	return []entrant{
		{name: nameTidemark, kind: ours, turn: func(ctx context.Context) (sample, error) {
			return b.importOrders(ctx, dbms, invoices, events)
		}},
		{name: nameTemplate, kind: way, turn: func(ctx context.Context) (sample, error) {
			return b.importByTemplate(ctx, dbms, histories, events)
		}},
	}, nil
}

func readInvoices(path string) ([]orderfile.Invoice, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := orderfile.Read(f)
	return orderfile.Invoices(rows), err
}

// openOrders returns a new store for orders on a database of its own.
func (b *bench) openOrders(ctx context.Context, dbms string) (*eventstore.Store, *tidemark, error) {
	t, err := b.on(ctx, dbms)
	if err != nil {
		return nil, nil, err
	}
	var drv driver.Store
	if dbms == "sqlite" {
		drv, err = sqlite.Open(ctx, t.place, nil)
	} else {
		drv, err = postgres.Open(ctx, t.place, nil)
	}
	if err != nil {
		return nil, nil, err
	}
	store, err := orderStore(drv)
	return store, t, err
}

func orderStore(drv driver.Store) (*eventstore.Store, error) {
	chain, err := order.Upcasters()
	if err != nil {
		return nil, err
	}
	return eventstore.New(drv, order.Registry(), &eventstore.Options{Upcasters: chain})
}

func (b *bench) importOrders(ctx context.Context, dbms string, invoices []orderfile.Invoice, events int) (sample, error) {
	store, t, err := b.openOrders(ctx, dbms)
	if err != nil {
		return sample{}, err
	}
	defer store.Close()
	repo, err := repository.New(store, order.StreamType, order.New, nil)
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	result, err := orderfile.Import(ctx, repo, invoices, &orderfile.Options{Workers: importWorkers})
	s := perSecond(result.Invoices, time.Since(began))
	return s, errors.Join(err, expect("invoices", result.Invoices, len(invoices)), verify(ctx, t, events))
}

// historiesOf returns the events that the import records, order by order.
func historiesOf(ctx context.Context, invoices []orderfile.Invoice) (map[string][]event, int, error) {
	store, err := orderStore(memory.New())
	if err != nil {
		return nil, 0, err
	}
	defer store.Close()
	repo, err := repository.New(store, order.StreamType, order.New, nil)
	if err != nil {
		return nil, 0, err
	}
	if _, err := orderfile.Import(ctx, repo, invoices, nil); err != nil {
		return nil, 0, err
	}
	events, histories := 0, make(map[string][]event)
	for e, err := range store.All(ctx, 0, &eventstore.ReadOptions{Raw: true}) {
		if err != nil {
			return nil, 0, err
		}
		events++
		histories[e.Stream.ID] = append(histories[e.Stream.ID],
			event{typ: e.Type, payload: json.RawMessage(e.Raw), metadata: e.Metadata})
	}
	return histories, events, nil
}

func (b *bench) importByTemplate(ctx context.Context, dbms string, histories map[string][]event, events int) (sample, error) {
	t, err := b.on(ctx, dbms)
	if err != nil {
		return sample{}, err
	}
	table := "events"
	if dbms == "postgres" {
		table = "way_import"
		if err := makeTable(ctx, t.raw, table); err != nil {
			return sample{}, err
		}
	}
	a, err := newTemplate(ctx, t.raw, table, bySequence, "")
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	err = appendHistories(ctx, a, histories)
	s := perSecond(len(histories), time.Since(began))
	return s, errors.Join(err, verify(ctx, a, events))
}

func appendHistories(ctx context.Context, a appender, histories map[string][]event) error {
	ids := make(chan string)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range importWorkers {
		wg.Go(func() {
			for id := range ids {
				if err := a.append(ctx, id, 0, histories[id]); err != nil {
					err = fmt.Errorf("order %s: %w", id, err)
					failed.Store(&err)
				}
			}
		})
	}
	for id := range histories {
		ids <- id
	}
	close(ids)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
