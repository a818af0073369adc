// Package sales is a read model: what was sold, by country and month and by item, in tables beside the events.
//
// Its tables are written only by its projection, in the transaction that moves the projection's checkpoint, so that each
// event counts exactly once. All of it can be thrown away and built again from the events.
package sales

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/projection"
)

// Name is the projection's name.
const Name = "sales"

// tables holds amounts in thousandths of a pound. The SQL of this package is understood by SQLite and Postgres.
const tables = `
CREATE TABLE IF NOT EXISTS sales_orders (
	id TEXT PRIMARY KEY, customer TEXT NOT NULL, country TEXT NOT NULL, month TEXT NOT NULL,
	status TEXT NOT NULL, total BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS sales_revenue (
	country TEXT NOT NULL, month TEXT NOT NULL, amount BIGINT NOT NULL, PRIMARY KEY (country, month));
CREATE TABLE IF NOT EXISTS sales_items (
	sku TEXT PRIMARY KEY, description TEXT NOT NULL, quantity BIGINT NOT NULL, amount BIGINT NOT NULL);`

// CreateTables creates the read model's tables unless they are there. Of programs that start at once on a new database,
// Postgres refuses all but the first in spite of the IF NOT EXISTS, when that has committed: then the tables are there. A
// service would have them from its migrations.
func CreateTables(ctx context.Context, db sqlx.ExecerContext) error {
	_, err := db.ExecContext(ctx, tables)
	if err != nil {
		_, err = db.ExecContext(ctx, tables)
	}
	return err
}

// Projection returns the projection that writes the tables, with some statements for each event. Where that is too slow,
// as over a network, projection.OnBatch allows for some statements for many events.
func Projection() *projection.Projection {
	p := projection.New(Name, &projection.Options{StreamTypes: []string{order.StreamType}})
	projection.On(p, placed)
	projection.On(p, func(ctx context.Context, e projection.Event[order.LineAdded]) error {
		return book(ctx, e.Stream.ID, e.Payload.Line, 1)
	})
	projection.On(p, func(ctx context.Context, e projection.Event[order.LineRemoved]) error {
		return book(ctx, e.Stream.ID, e.Payload.Line, -1)
	})
	projection.On(p, func(ctx context.Context, e projection.Event[order.LineReturned]) error {
		return book(ctx, e.Stream.ID, e.Payload.Line, -1)
	})
	projection.On(p, func(ctx context.Context, e projection.Event[order.Paid]) error {
		return setStatus(ctx, e.Stream.ID, order.StatusPaid)
	})
	projection.On(p, func(ctx context.Context, e projection.Event[order.Shipped]) error {
		return setStatus(ctx, e.Stream.ID, order.StatusShipped)
	})
	projection.On(p, cancelled)
	return p
}

func placed(ctx context.Context, e projection.Event[order.Placed]) error {
	return exec(ctx, `INSERT INTO sales_orders (id, customer, country, month, status, total) VALUES (?, ?, ?, ?, ?, 0)`,
		e.Stream.ID, e.Payload.Customer, e.Payload.Country, e.Payload.At.Format("2006-01"), order.StatusOpen)
}

func cancelled(ctx context.Context, e projection.Event[order.Cancelled]) error {
	for _, l := range e.Payload.Lines {
		if err := book(ctx, e.Stream.ID, l, -1); err != nil {
			return err
		}
	}
	return setStatus(ctx, e.Stream.ID, order.StatusCancelled)
}

func setStatus(ctx context.Context, id string, s order.Status) error {
	return exec(ctx, `UPDATE sales_orders SET status = ? WHERE id = ?`, s, id)
}

// book counts a line: sign is 1 if it was sold and -1 if it was not, after all.
func book(ctx context.Context, id string, l order.Line, sign int) error {
	quantity, amount := sign*l.Quantity, order.Money(sign)*l.Amount()
	err := exec(ctx, `UPDATE sales_orders SET total = total + ? WHERE id = ?`, amount, id)
	if err != nil {
		return err
	}
	err = exec(ctx, `INSERT INTO sales_revenue (country, month, amount) SELECT country, month, ? FROM sales_orders WHERE id = ?
		ON CONFLICT (country, month) DO UPDATE SET amount = sales_revenue.amount + excluded.amount`, amount, id)
	if err != nil {
		return err
	}
	return exec(ctx, `INSERT INTO sales_items (sku, description, quantity, amount) VALUES (?, ?, ?, ?)
		ON CONFLICT (sku) DO UPDATE SET description = COALESCE(NULLIF(excluded.description, ''), sales_items.description),
		quantity = sales_items.quantity + excluded.quantity, amount = sales_items.amount + excluded.amount`,
		l.SKU, l.Description, quantity, amount)
}

// exec runs a statement in the transaction that the checkpoint moves in.
func exec(ctx context.Context, query string, args ...any) error {
	tx, ok := sqltx.From(ctx)
	if !ok {
		return errors.New("sales: the events are not kept in a database with transactions")
	}
	_, err := tx.ExecContext(ctx, tx.Rebind(query), args...)
	return err
}

// Reset empties the tables and puts the projection back to the beginning of the log. It must not run meanwhile.
func Reset(ctx context.Context, store *eventstore.Store) error {
	return store.Transact(ctx, func(ctx context.Context) error {
		for _, table := range []string{"sales_orders", "sales_revenue", "sales_items"} {
			if err := exec(ctx, `DELETE FROM `+table); err != nil {
				return fmt.Errorf("sales: empty %s: %w", table, err)
			}
		}
		position, err := store.LoadCheckpoint(ctx, Name)
		if err != nil {
			return err
		}
		return store.SaveCheckpoint(ctx, Name, position, 0)
	})
}
