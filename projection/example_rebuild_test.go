package projection_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

// totals has a table for each of its versions, and a view of the one that is in use.
func totals() *projection.Projection {
	p := projection.New("totals", &projection.Options{
		OnRebuild: func(ctx context.Context, version int) error {
			return run(ctx, fmt.Sprintf(`CREATE TABLE totals_v%d (customer TEXT PRIMARY KEY, cents INTEGER NOT NULL) STRICT`, version))
		},
		OnSwitch: func(ctx context.Context, from, to int) error {
			return run(ctx, `DROP VIEW totals`, fmt.Sprintf(`CREATE VIEW totals AS SELECT * FROM totals_v%d`, to),
				fmt.Sprintf(`DROP TABLE totals_v%d`, from))
		},
	})
	projection.On(p, func(ctx context.Context, e projection.Event[Paid]) error {
		tx, _ := sqltx.From(ctx)
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO totals_v%d VALUES (?1, ?2)
ON CONFLICT DO UPDATE SET cents = cents + ?2`, projection.Version(ctx)), e.Stream.ID, e.Payload.Cents)
		return err
	})
	return p
}

func run(ctx context.Context, statements ...string) error {
	tx, _ := sqltx.From(ctx)
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// A read model is built anew in a table of its own, while readers use the old one, and a view is switched.
func ExampleRunner_Rebuild() {
	ctx, stop := context.WithCancel(context.Background())
	drv, err := sqlite.Open(ctx, ":memory:", nil)
	check(err)
	drv.DB().MustExec(`CREATE TABLE totals_v1 (customer TEXT PRIMARY KEY, cents INTEGER NOT NULL) STRICT;
		CREATE VIEW totals AS SELECT * FROM totals_v1`)
	store := shop(drv)
	defer store.Close()
	runner, err := projection.NewRunner(store, &projection.RunnerOptions{Poll: 20 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler)}, totals())
	check(err)
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()

	receipt, err := store.Append(ctx, eventstore.StreamID{Type: "order", ID: "ada"}, eventstore.NoStream,
		eventstore.Events(Paid{Cents: 1000}, Paid{Cents: 999})...)
	check(err)
	check(runner.WaitFor(ctx, "totals", receipt.Position))
	drv.DB().MustExec(`UPDATE totals_v1 SET cents = 0`) // what a bug has done

	version, err := runner.Rebuild(ctx, "totals")
	check(err)
	check(runner.WaitForVersion(ctx, "totals", version))
	var cents int
	check(drv.DB().GetContext(ctx, &cents, `SELECT cents FROM totals WHERE customer = 'ada'`))
	fmt.Println("version", version, "says", cents)
	stop()
	check(<-ended)
	// Output:
	// version 2 says 1999
}
