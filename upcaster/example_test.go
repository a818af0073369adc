package upcaster_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// Opened is what the program of today knows: "account.opened" in its second version.
type Opened struct {
	Owner    string `json:"owner"`
	Currency string `json:"currency"`
}

// openedV1 is what it was when only one currency was known.
type openedV1 struct {
	Owner string `json:"owner"`
}

// Old and new events stand in one stream, and a reader sees the new ones only.
func Example() {
	ctx := context.Background()
	drv := memory.New()
	account := eventstore.StreamID{Type: "account", ID: "7"}

	// Last year's program.
	reg := serializer.NewRegistry(nil)
	serializer.Register[openedV1](reg, "account.opened")
	store, err := eventstore.New(drv, reg, nil)
	check(err)
	_, err = store.Append(ctx, account, eventstore.NoStream, eventstore.Events(openedV1{Owner: "Ada"})...)
	check(err)

	// Today's.
	reg = serializer.NewRegistry(nil)
	serializer.Register[Opened](reg, "account.opened", serializer.Version(2))
	chain, err := upcaster.New(
		upcaster.Struct(upcaster.V("account.opened", 1), upcaster.V("account.opened", 2),
			func(old openedV1) (Opened, error) {
				return Opened{Owner: old.Owner, Currency: "GBP"}, nil
			}),
	)
	check(err)
	store, err = eventstore.New(drv, reg, &eventstore.Options{Upcasters: chain})
	check(err)
	defer store.Close()
	_, err = store.Append(ctx, account, eventstore.Exactly(1), eventstore.Events(Opened{Owner: "Bo", Currency: "EUR"})...)
	check(err)
	for e, err := range store.Stream(ctx, account, nil) {
		check(err)
		fmt.Printf("version %d: %s v%d %+v\n", e.Version, e.Type, e.Schema, e.Payload)
	}
	// Output:
	// version 1: account.opened v2 {Owner:Ada Currency:GBP}
	// version 2: account.opened v2 {Owner:Bo Currency:EUR}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// show prints what a chain makes of a stored event.
func show(chain *upcaster.Chain, stored upcaster.Type, data string) {
	events, err := chain.Upcast(upcaster.Event{
		Type:        stored,
		ContentType: "application/json",
		Data:        []byte(data),
		RecordedAt:  time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
	}, codec)
	check(err)
	for _, e := range events {
		fmt.Printf("%s %s\n", e.Type, e.Data)
	}
}

// codec finds the codec of a content type, as a store does with its registry.
func codec(contentType string) (upcaster.Codec, bool) {
	return serializer.NewRegistry(nil).Codec(contentType)
}
