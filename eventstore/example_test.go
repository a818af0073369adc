package eventstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

type (
	Opened struct{ Owner string }
	Paid   struct{ Cents int }
)

var till = eventstore.StreamID{Type: "till", ID: "1"}

func newTills() *eventstore.Store {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Opened](reg, "till.opened")
	serializer.Register[Paid](reg, "till.paid")
	store, err := eventstore.New(memory.New(), reg, nil) // or sqlite.Open, postgres.Open
	must(err)
	return store
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func Example() {
	ctx, store := context.Background(), newTills()
	defer store.Close()

	_, err := store.Append(ctx, till, eventstore.NoStream, eventstore.Events(Opened{"Ada"}, Paid{250})...)
	must(err)
	for e, err := range store.Stream(ctx, till, nil) {
		must(err)
		fmt.Println(e.Version, e.Type, e.Payload)
	}
	// Output:
	// 1 till.opened {Ada}
	// 2 till.paid {250}
}

// Two decide on version 1. The second to append gets a conflict, and nothing of it is stored.
func ExampleStore_Append() {
	ctx, store := context.Background(), newTills()
	defer store.Close()

	opened, err := store.Append(ctx, till, eventstore.NoStream, eventstore.Events(Opened{"Ada"})...)
	must(err)
	for _, cents := range []int{250, 300} {
		_, err := store.Append(ctx, till, eventstore.Exactly(opened.Version), eventstore.Events(Paid{cents})...)
		fmt.Println(cents, err)
		if conflict := (*eventstore.ConflictError)(nil); errors.As(err, &conflict) {
			fmt.Println("expected", conflict.Expected, "and found version", conflict.Actual)
		}
	}
	// Output:
	// 250 <nil>
	// 300 eventstore: conflict: stream "till-1" is at version 2, expected version 1: load it again and decide anew
	// expected version 1 and found version 2
}

// An event that keeps its id can be appended again after an answer was lost: it is stored once, and the first receipt comes
// back.
func ExampleStore_Append_retry() {
	ctx, store := context.Background(), newTills()
	defer store.Close()

	paid := eventstore.NewEvent{ID: uuid.Must(uuid.NewV7()), Payload: Paid{250}}
	for range 2 {
		receipt, err := store.Append(ctx, till, eventstore.Any, paid)
		fmt.Println("version", receipt.Version, "duplicate", receipt.Duplicate, err)
	}
	// Output:
	// version 1 duplicate false <nil>
	// version 1 duplicate true <nil>
}

// Both streams change, or neither does. The write without events only checks that its till is there.
func ExampleStore_AppendAll() {
	ctx, store := context.Background(), newTills()
	defer store.Close()

	_, err := store.AppendAll(ctx,
		eventstore.Write{Stream: eventstore.StreamID{Type: "till", ID: "2"}, Events: eventstore.Events(Opened{"Bob"})},
		eventstore.Write{Stream: till, Expected: eventstore.StreamExists})
	fmt.Println(err)
	head, err := store.Head(ctx)
	fmt.Println("the log ends at", head, err)
	// Output:
	// eventstore: conflict: stream "till-1" does not exist, expected an existing stream: load it again and decide anew
	// the log ends at 0 <nil>
}

func ExampleWithMetadata() {
	ctx, store := context.Background(), newTills()
	defer store.Close()

	ctx = eventstore.WithMetadata(ctx, eventstore.Metadata{eventstore.KeyCorrelationID: "request-7"})
	_, err := store.Append(ctx, till, eventstore.Any, eventstore.Events(Paid{250})...)
	must(err)
	for e, err := range store.All(ctx, 0, nil) {
		must(err)
		fmt.Println(e.Payload, e.Metadata[eventstore.KeyCorrelationID])
	}
	// Output:
	// {250} request-7
}

// A subscription catches up, and then waits for what is appended.
func ExampleStore_Subscribe() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := newTills()
	defer store.Close()
	_, err := store.Append(ctx, till, eventstore.NoStream, eventstore.Events(Opened{"Ada"})...)
	must(err)
	go func() {
		_, err := store.Append(ctx, till, eventstore.StreamExists, eventstore.Events(Paid{250})...)
		must(err)
	}()
	for e, err := range store.Subscribe(ctx, 0, nil) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(e.Payload)
		if e.Type == "till.paid" {
			stop()
		}
	}
	// Output:
	// {Ada}
	// {250}
	// context canceled
}

// A reader of pages keeps the position to continue from where it likes. At the head it waits for more than its page has.
func ExampleStore_ReadAll() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := newTills()
	defer store.Close()
	_, err := store.Append(ctx, till, eventstore.NoStream, eventstore.Events(Opened{"Ada"}, Paid{250}, Paid{300})...)
	must(err)

	opts := &eventstore.ReadOptions{Types: []string{"till.paid"}, Limit: 1}
	for next := int64(0); ; {
		page, err := store.ReadAll(ctx, next, opts)
		must(err)
		for _, e := range page.Events {
			fmt.Println(e.Payload)
			if e.Payload == (Paid{300}) {
				stop()
			}
		}
		next = page.Next // to be kept with what was made of the page
		if err := store.Wait(ctx, page); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// {250}
	// {300}
	// context canceled
}
