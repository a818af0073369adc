package privacy_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/serializer"
)

// Registered is about one person.
type Registered struct {
	Customer string `json:"customer" privacy:"subject"`
	Name     string `json:"name" privacy:"personal,fallback=[forgotten]"`
	Email    string `json:"email" privacy:"personal"`
	Country  string `json:"country"`
}

func Example() {
	ctx := context.Background()
	reg := serializer.NewRegistry(nil)
	serializer.Register[Registered](reg, "customer.registered")

	events, err := sqlite.Open(ctx, ":memory:", nil)
	check(err)
	keys, err := sqlite.Open(ctx, ":memory:", nil) // another file, another server: not where the events are backed up
	check(err)
	defer keys.Close()
	master := privacy.NewMasterKey() // a real program reads it: privacy.ParseMasterKey(os.Getenv("MASTER_KEY"))
	vault, err := privacy.Open(ctx, reg, keys, master, nil)
	check(err)
	store, err := eventstore.New(events, reg, &eventstore.Options{Protector: vault})
	check(err)
	defer store.Close()

	stream := eventstore.StreamID{Type: "customer", ID: "1042"}
	_, err = store.Append(ctx, stream, eventstore.NoStream, eventstore.Events(
		Registered{Customer: "1042", Name: "Ada Lovelace", Email: "ada@example.org", Country: "GB"})...)
	check(err)
	show := func() {
		for e, err := range store.Stream(ctx, stream, nil) {
			check(err)
			fmt.Printf("%+v\n", e.Payload)
		}
	}

	show()
	_, err = vault.Forget(ctx, "1042")
	check(err)
	show()
	// Output:
	// {Customer:1042 Name:Ada Lovelace Email:ada@example.org Country:GB}
	// {Customer:1042 Name:[forgotten] Email: Country:GB}
}

// Diagnosed is personal as a whole.
type Diagnosed struct {
	Patient   string `json:"patient"`
	Diagnosis string `json:"diagnosis"`
}

// PrivacySubject implements privacy.Subject.
func (d Diagnosed) PrivacySubject() string { return d.Patient }

// Redacted implements privacy.Personal.
func (d Diagnosed) Redacted() any { return Diagnosed{Patient: d.Patient} }

func ExamplePersonal() {
	ctx := context.Background()
	reg := serializer.NewRegistry(nil)
	serializer.Register[Diagnosed](reg, "patient.diagnosed")
	drv, err := sqlite.Open(ctx, ":memory:", nil)
	check(err)
	vault, err := privacy.Open(ctx, reg, drv, privacy.NewMasterKey(), nil)
	check(err)
	store, err := eventstore.New(drv, reg, &eventstore.Options{Protector: vault})
	check(err)
	defer store.Close()

	stream := eventstore.StreamID{Type: "patient", ID: "7"}
	_, err = store.Append(ctx, stream, eventstore.NoStream, eventstore.Events(Diagnosed{"7", "melancholia"})...)
	check(err)
	_, err = vault.Forget(ctx, "7")
	check(err)
	for e, err := range store.Stream(ctx, stream, nil) {
		check(err)
		fmt.Printf("%+v\n", e.Payload)
	}
	// Output: {Patient:7 Diagnosis:}
}

// At a month's end the master key is replaced, and with the old one every older backup of the keys becomes useless.
func ExampleVault_Rewrap() {
	ctx := context.Background()
	reg := serializer.NewRegistry(nil)
	serializer.Register[Registered](reg, "customer.registered")
	drv, err := sqlite.Open(ctx, ":memory:", nil)
	check(err)
	january, february := privacy.NewMasterKey(), privacy.NewMasterKey()

	vault, err := privacy.Open(ctx, reg, drv, january, nil)
	check(err)
	store, err := eventstore.New(drv, reg, &eventstore.Options{Protector: vault})
	check(err)
	defer store.Close()
	_, err = store.Append(ctx, eventstore.StreamID{Type: "customer", ID: "1042"}, eventstore.NoStream,
		eventstore.Events(Registered{Customer: "1042", Name: "Ada Lovelace"})...)
	check(err)

	vault, err = privacy.Open(ctx, reg, drv, february, &privacy.Options{Previous: []privacy.MasterKey{january}})
	check(err)
	rewrapped, err := vault.Rewrap(ctx)
	check(err)
	fmt.Println("keys rewrapped:", rewrapped)
	_, err = privacy.Open(ctx, reg, drv, january, nil)
	fmt.Println("the old key is of no use:", errors.Is(err, privacy.ErrMasterKey))
	// Output:
	// keys rewrapped: 1
	// the old key is of no use: true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
