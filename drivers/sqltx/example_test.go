package sqltx_test

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
)

func Example() {
	ctx := context.Background()
	db := sqlx.MustOpen("sqlite3", ":memory:")
	defer db.Close()
	db.SetMaxOpenConns(1)
	db.MustExec(`CREATE TABLE total (amount INTEGER)`)

	err := sqltx.In(ctx, db, func(ctx context.Context) error {
		sqltx.OnEnd(ctx, func(committed bool) { fmt.Println("committed:", committed) })
		// store.Append(ctx, ...) with this same ctx would be part of the transaction.
		tx, _ := sqltx.From(ctx)
		_, err := tx.ExecContext(ctx, `INSERT INTO total VALUES (42)`)
		return err
	})
	fmt.Println("error:", err)
	// Output:
	// committed: true
	// error: <nil>
}
