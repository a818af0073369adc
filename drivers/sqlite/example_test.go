package sqlite_test

import (
	"context"
	"fmt"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

type Placed struct {
	Customer string `json:"customer"`
	Total    int    `json:"total"`
}

func Example() {
	ctx := context.Background()
	reg := serializer.NewRegistry(nil)
	serializer.Register[Placed](reg, "order.placed")
	drv, err := sqlite.Open(ctx, ":memory:", nil) // or a path
	check(err)
	store, err := eventstore.New(drv, reg, nil)
	check(err)
	defer store.Close()

	order := eventstore.StreamID{Type: "order", ID: "42"}
	_, err = store.Append(ctx, order, eventstore.NoStream, eventstore.Events(Placed{"Ada", 12})...)
	check(err)
	for e, err := range store.Stream(ctx, order, nil) {
		check(err)
		fmt.Println(e.Version, e.Type, e.Payload)
	}
	// Output: 1 order.placed {Ada 12}
}

// An append, a read model and SQL over the events, in one database and one transaction.
func ExampleStore_DB() {
	ctx := context.Background()
	reg := serializer.NewRegistry(nil)
	serializer.Register[Placed](reg, "order.placed")
	drv, err := sqlite.Open(ctx, ":memory:", nil)
	check(err)
	store, err := eventstore.New(drv, reg, nil)
	check(err)
	defer store.Close()
	drv.DB().MustExec(`CREATE TABLE customer (name TEXT PRIMARY KEY, orders INTEGER)`)

	err = sqltx.In(ctx, drv.DB(), func(ctx context.Context) error {
		order := eventstore.StreamID{Type: "order", ID: "42"}
		if _, err := store.Append(ctx, order, eventstore.NoStream, eventstore.Events(Placed{"Ada", 12})...); err != nil {
			return err
		}
		tx, _ := sqltx.From(ctx)
		_, err := tx.ExecContext(ctx, `INSERT INTO customer VALUES (?, 1)
			ON CONFLICT DO UPDATE SET orders = orders + 1`, "Ada")
		return err
	})
	check(err)

	var total int
	check(drv.DB().Get(&total, `SELECT sum(event_data ->> '$.total') FROM events WHERE event_type = 'order.placed'`))
	fmt.Println("total:", total)
	// Output: total: 12
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
