package repository_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
)

// SeatEvent is what can happen to a seat.
type SeatEvent interface{ seatEvent() }

type (
	Booked   struct{ Guest string }
	Released struct{}
)

func (Booked) seatEvent()   {}
func (Released) seatEvent() {}

var ErrTaken = errors.New("the seat is taken")

type Seat struct {
	aggregate.Root[SeatEvent]
	guest string
}

func NewSeat(id string) *Seat { s := new(Seat); s.Init(id, s.apply); return s }

func (s *Seat) apply(e SeatEvent) {
	switch e := e.(type) {
	case Booked:
		s.guest = e.Guest
	case Released:
		s.guest = ""
	}
}

func (s *Seat) Book(guest string) error {
	if s.guest != "" {
		return ErrTaken
	}
	s.Record(Booked{Guest: guest})
	return nil
}

func openSeats() (*eventstore.Store, *repository.Repository[*Seat]) {
	reg := serializer.NewRegistry(nil)
	serializer.Register[Booked](reg, "seat.booked")
	serializer.Register[Released](reg, "seat.released")
	store, err := eventstore.New(memory.New(), reg, nil)
	if err != nil {
		log.Fatal(err)
	}
	seats, err := repository.New(store, "seat", NewSeat, nil)
	if err != nil {
		log.Fatal(err)
	}
	return store, seats
}

func Example() {
	ctx := context.Background()
	store, seats := openSeats()
	defer store.Close()

	for _, guest := range []string{"ann", "bob"} {
		_, err := seats.Update(ctx, "12A", func(s *Seat) error { return s.Book(guest) })
		fmt.Println(guest, err)
	}
	seat, err := seats.Load(ctx, "12A")
	fmt.Println(seat.guest, "version", seat.Version(), err)
	// Output:
	// ann <nil>
	// bob the seat is taken
	// ann version 1 <nil>
}

// Of two who decided on the same state the second to save gets a conflict, and its events are not written. Update would
// have loaded again and called Book again, on a seat that is taken by then.
func ExampleRepository_Save() {
	ctx := context.Background()
	store, seats := openSeats()
	defer store.Close()

	first, second := NewSeat("12A"), NewSeat("12A")
	fmt.Println(first.Book("ann"), second.Book("bob"))
	fmt.Println(seats.Save(ctx, first))
	fmt.Println(seats.Save(ctx, second))
	// Output:
	// <nil> <nil>
	// <nil>
	// eventstore: conflict: stream "seat-12A" is at version 1, expected no stream: load it again and decide anew
}

func ExampleRepository_Load() {
	store, seats := openSeats()
	defer store.Close()

	_, err := seats.Load(context.Background(), "99Z")
	fmt.Println(errors.Is(err, repository.ErrNotFound), err)
	// Output:
	// true eventstore: stream not found: "seat-99Z"
}

func ExampleOptions() {
	store, _ := openSeats()
	defer store.Close()

	seats, err := repository.New(store, "seat", NewSeat, &repository.Options{
		Retries: 3,
		OnLoad:  func(l repository.Loaded) { fmt.Println(l.Stream, "replayed", l.Replayed) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		_, _ = seats.Update(context.Background(), "12A", func(s *Seat) error {
			s.Record(Released{})
			return nil
		})
	}
	// Output:
	// seat-12A replayed 1
}
