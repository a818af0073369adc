package drivertest_test

import (
	"context"
	"fmt"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

func ExampleCheck() {
	open := func(context.Context) (*drivertest.Database, error) {
		return &drivertest.Database{Store: memory.New()}, nil
	}
	err := drivertest.Check(context.Background(), open, &drivertest.Options{Only: []string{"A1", "A2/appenders on one handle"}})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleClauses() {
	for _, c := range drivertest.Clauses() {
		if c.ID == "G2" {
			fmt.Printf("%s: %s\n%q\n", c.ID, c.Text, c.Cases)
		}
	}
	// Output:
	// G2: Every committed event is handed out exactly once to a reader that continues from Page.Next.
	// ["readers with filters and small pages, while writers write" "every size of page" "a page that ends where the head was before"]
}
