package memory_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

func Example() {
	type greeted struct{ Name string }
	ctx, reg := context.Background(), serializer.NewRegistry(nil)
	serializer.Register[greeted](reg, "greeted")
	store, err := eventstore.New(memory.New(), reg, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	door := eventstore.StreamID{Type: "door", ID: "1"}
	if _, err := store.Append(ctx, door, eventstore.NoStream, eventstore.Events(greeted{"Ada"}, greeted{"Alan"})...); err != nil {
		log.Fatal(err)
	}
	for e, err := range store.Stream(ctx, door, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Version, e.Type, e.Payload.(greeted).Name)
	}
	// Output:
	// 1 greeted Ada
	// 2 greeted Alan
}
