package projection_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
)

type (
	Placed struct{ Customer string }
	Paid   struct{ Cents int }
)

func shop(drv driver.Store) *eventstore.Store {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Placed](reg, "order.placed")
	serializer.Register[Paid](reg, "order.paid")
	store, err := eventstore.New(drv, reg, nil)
	check(err)
	return store
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A read model in the store's database is written in the transaction that moves the checkpoint.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	drv, err := sqlite.Open(ctx, ":memory:", nil)
	check(err)
	drv.DB().MustExec(`CREATE TABLE revenue (day TEXT PRIMARY KEY, cents INTEGER NOT NULL) STRICT`)
	store := shop(drv)
	defer store.Close()

	revenue := projection.New("revenue", nil)
	projection.On(revenue, func(ctx context.Context, e projection.Event[Paid]) error {
		tx, _ := sqltx.From(ctx)
		_, err := tx.ExecContext(ctx, `INSERT INTO revenue VALUES (?1, ?2) ON CONFLICT DO UPDATE SET cents = cents + ?2`,
			e.RecordedAt.Format("2006-01-02"), e.Payload.Cents)
		return err
	})
	runner, err := projection.NewRunner(store, nil, revenue)
	check(err)
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()

	receipt, err := store.Append(ctx, eventstore.StreamID{Type: "order", ID: "42"}, eventstore.NoStream,
		eventstore.Events(Placed{Customer: "Ada"}, Paid{Cents: 1999}, Paid{Cents: 501})...)
	check(err)
	check(runner.WaitFor(ctx, "revenue", receipt.Position)) // read your writes

	var cents int
	check(drv.DB().GetContext(ctx, &cents, `SELECT sum(cents) FROM revenue`))
	fmt.Println(cents, "cents")
	stop()
	fmt.Println("ended:", <-ended)
	// Output:
	// 2500 cents
	// ended: <nil>
}

// A handler of an interface gets every registered type that implements it; any is all of them.
func ExampleOn() {
	ctx, stop := context.WithCancel(context.Background())
	store := shop(memory.New())
	audit := projection.New("audit", nil)
	projection.On(audit, func(_ context.Context, e projection.Event[any]) error {
		fmt.Printf("%d %s %s %+v\n", e.Position, e.Stream, e.Type, e.Payload)
		return nil
	})
	runner, err := projection.NewRunner(store, nil, audit)
	check(err)
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()

	receipt, err := store.Append(ctx, eventstore.StreamID{Type: "order", ID: "42"}, eventstore.NoStream,
		eventstore.Events(Placed{Customer: "Ada"}, Paid{Cents: 1999})...)
	check(err)
	check(runner.WaitFor(ctx, "audit", receipt.Position))
	stop()
	check(<-ended)
	// Output:
	// 1 order-42 order.placed {Customer:Ada}
	// 2 order-42 order.paid {Cents:1999}
}

// A handler of OnBatch gets what there is, up to a batch, at once.
func ExampleOnBatch() {
	ctx, stop := context.WithCancel(context.Background())
	store := shop(memory.New())
	payments := projection.New("payments", &projection.Options{Types: []string{"order.paid"}, BatchSize: 2})
	projection.OnBatch(payments, func(_ context.Context, events []eventstore.Event) error {
		cents := 0
		for _, e := range events {
			cents += e.Payload.(Paid).Cents
		}
		fmt.Println(len(events), "payments,", cents, "cents")
		return nil
	})
	receipt, err := store.Append(ctx, eventstore.StreamID{Type: "order", ID: "42"}, eventstore.NoStream,
		eventstore.Events(Placed{Customer: "Ada"}, Paid{Cents: 1000}, Paid{Cents: 900}, Paid{Cents: 99})...)
	check(err)
	runner, err := projection.NewRunner(store, nil, payments)
	check(err)
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()
	check(runner.WaitFor(ctx, "payments", receipt.Position))
	stop()
	check(<-ended)
	// Output:
	// 2 payments, 1900 cents
	// 1 payments, 99 cents
}

// A projection that gives up says at which event.
func ExampleStoppedError() {
	ctx := context.Background()
	store := shop(memory.New())
	_, err := store.Append(ctx, eventstore.StreamID{Type: "order", ID: "42"}, eventstore.NoStream,
		eventstore.Events(Placed{Customer: "Ada"}, Paid{Cents: -1})...)
	check(err)
	revenue := projection.New("revenue", &projection.Options{Tries: 2})
	projection.On(revenue, func(_ context.Context, e projection.Event[Paid]) error {
		if e.Payload.Cents < 0 {
			return errors.New("a negative payment")
		}
		return nil
	})
	runner, err := projection.NewRunner(store, &projection.RunnerOptions{Logger: slog.New(slog.DiscardHandler)}, revenue)
	check(err)
	err = runner.Run(ctx)
	fmt.Println(err)
	var stopped *projection.StoppedError
	if errors.As(err, &stopped) {
		fmt.Println(stopped.Projection, stopped.Event.Stream, stopped.Event.Version)
	}
	// Output:
	// projection: "revenue" stopped at order.paid, version 2 of stream "order-42" (position 2), where the next run begins; tries: 2; the last one: a negative payment
	// revenue order-42 2
}

func ExampleRunner_Status() {
	ctx, stop := context.WithCancel(context.Background())
	store := shop(memory.New())
	names := projection.New("names", nil)
	projection.On(names, func(context.Context, projection.Event[Placed]) error { return nil })
	runner, err := projection.NewRunner(store, nil, names)
	check(err)
	receipt, err := store.Append(ctx, eventstore.StreamID{Type: "order", ID: "42"}, eventstore.NoStream,
		eventstore.Events(Placed{Customer: "Ada"}, Paid{Cents: 1999})...)
	check(err)
	show := func() {
		all, err := runner.Status(ctx)
		check(err)
		for _, s := range all {
			fmt.Printf("%s is %s at %d of %d, %d behind\n", s.Projection, s.State, s.Position, s.Head, s.Lag)
		}
	}
	show()
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()
	check(runner.WaitFor(ctx, "names", receipt.Position))
	show()
	stop()
	check(<-ended)
	// Output:
	// names is starting at 0 of 2, 2 behind
	// names is live at 2 of 2, 0 behind
}
