// Command quickstart is the program on the README's first screen.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
)

type Event interface{ accountEvent() } // only these are an account's events

type Deposited struct{ Cents int }

func (Deposited) accountEvent() {}

type Account struct {
	aggregate.Root[Event]
	cents int
}

func New(id string) *Account { a := new(Account); a.Init(id, a.apply); return a }

func (a *Account) apply(e Event) {
	switch e := e.(type) {
	case Deposited:
		a.cents += e.Cents
	}
}

func main() {
	ctx := context.Background()
	reg := serializer.NewRegistry(nil)
	serializer.Register[Deposited](reg, "account.deposited")
	drv, err := sqlite.Open(ctx, "accounts.db", nil) // or postgres.Open(ctx, dsn, nil)
	check(err)
	store, err := eventstore.New(drv, reg, nil)
	check(err)
	defer store.Close()
	accounts, err := repository.New(store, "account", New, nil)
	check(err)

	ada, err := accounts.Update(ctx, "ada", func(a *Account) error { // load, decide, save
		a.Record(Deposited{Cents: 500})
		return nil
	})
	check(err)
	fmt.Printf("%s has %d cents after %d deposits\n", ada.ID(), ada.cents, ada.Version())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
