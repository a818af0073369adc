package postgres_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

type OrderPlaced struct{ Customer string }

func Example() {
	ctx := context.Background()
	reg := serializer.NewRegistry(nil)
	serializer.Register[OrderPlaced](reg, "order.placed")
	drv, err := postgres.Open(ctx, "postgres://user:password@localhost:5432/shop", nil)
	if err != nil {
		log.Fatal(err)
	}
	store, err := eventstore.New(drv, reg, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// An append and the caller's own SQL, in one transaction.
	err = sqltx.In(ctx, drv.DB(), func(ctx context.Context) error {
		stream := eventstore.StreamID{Type: "order", ID: "42"}
		if _, err := store.Append(ctx, stream, eventstore.NoStream, eventstore.Events(OrderPlaced{"Ada"})...); err != nil {
			return err
		}
		tx, _ := sqltx.From(ctx)
		_, err := tx.ExecContext(ctx, `UPDATE stock SET reserved = reserved + 1 WHERE sku = $1`, "mug")
		return err
	})
	fmt.Println(err)
}

// A pool that the program has already, here of pgx; its migrations are run by other means.
func ExampleNew() {
	const dsn = "postgres://user:password@localhost:5432/shop"
	db, err := sqlx.Open("pgx", dsn)
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16) // as many, or connections are made again and again
	drv, err := postgres.New(db, &postgres.Options{ListenDSN: dsn})
	if err != nil {
		log.Fatal(err)
	}
	defer drv.Close()
}
