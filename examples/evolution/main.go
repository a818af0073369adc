// Command evolution shows three releases of a shop at work on one database: each reads what the others have written.
//
//	go run ./examples/evolution
//
// What an order is has changed from release1 to release2 to release3. In a real program they are one package at three
// times; the steps between them stand in release2 and release3.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/examples/evolution/release1"
	"github.com/tidemark-go/tidemark/examples/evolution/release2"
	"github.com/tidemark-go/tidemark/examples/evolution/release3"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "evolution:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "evolution")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sqlite.Open(ctx, filepath.Join(dir, "shop.db"), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	s := &shop{out: out, db: db}
	for _, chapter := range []func(context.Context) error{s.first, s.second, s.third, s.alone} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return s.stored(ctx)
}

// shop is a database and the releases that work on it.
type shop struct {
	out io.Writer
	db  driver.Store

	one   *release[*release1.Order]
	two   *release[*release2.Order]
	three *release[*release3.Order]
}

func (s *shop) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *shop) first(ctx context.Context) (err error) {
	s.say("Release 1 is alone. A line is one piece.")
	if s.one, err = open(s.db, release1.Registry(), nil, nil, release1.New); err != nil {
		return err
	}
	err = s.one.update(ctx, "A", func(o *release1.Order) error {
		o.Place("Ada")
		o.Add("mug", 700)
		o.Add("mug", 700)
		return nil
	})
	if err != nil {
		return err
	}
	return s.show(ctx, "A")
}

func (s *shop) second(ctx context.Context) (err error) {
	s.say("\nRelease 2 is rolled out. Lines have a quantity; it writes them as release 1 reads them. Both add to order B:")
	s.two, err = open(s.db, release2.Registry(), release2.Upcasts(), release2.Downcasts(), release2.New)
	if err != nil {
		return err
	}
	err = s.two.update(ctx, "B", func(o *release2.Order) error {
		o.Place("Bo")
		o.Add("plate", 6, 450)
		return nil
	})
	if err != nil {
		return err
	}
	err = s.one.update(ctx, "B", func(o *release1.Order) error {
		o.Add("jug", 1200)
		return nil
	})
	if err != nil {
		return err
	}
	return s.show(ctx, "A", "B")
}

func (s *shop) third(ctx context.Context) (err error) {
	s.say("\nRelease 3 is rolled out while the others still run. Prices have a currency, and orders are opened, not placed:")
	down := append(release3.Downcasts(), release2.Downcasts()...)
	if s.three, err = open(s.db, release3.Registry(), release3.Upcasts(), down, release3.New); err != nil {
		return err
	}
	if err := s.three.update(ctx, "C", sell("Cy", "bowl", 2, release3.Money{Amount: 950, Currency: "GBP"})); err != nil {
		return err
	}
	if err := s.show(ctx, "A", "B", "C"); err != nil {
		return err
	}
	err = s.three.update(ctx, "D", sell("Di", "vase", 1, release3.Money{Amount: 3900, Currency: "EUR"}))
	s.say("What they could not read is refused:\n   %v", err)
	return nil
}

func (s *shop) alone(ctx context.Context) (err error) {
	s.say("\nReleases 1 and 2 are gone, and release 3 writes without downcasts:")
	if s.three, err = open(s.db, release3.Registry(), release3.Upcasts(), nil, release3.New); err != nil {
		return err
	}
	if err := s.three.update(ctx, "D", sell("Di", "vase", 1, release3.Money{Amount: 3900, Currency: "EUR"})); err != nil {
		return err
	}
	forgotten := s.two
	s.one, s.two = nil, nil
	if err := s.show(ctx, "A", "B", "C", "D"); err != nil {
		return err
	}
	_, err = forgotten.show(ctx, "D")
	s.say("An instance of release 2 that was forgotten does not guess:\n   %v", err)
	return nil
}

func sell(customer, sku string, quantity int, price release3.Money) func(o *release3.Order) error {
	return func(o *release3.Order) error {
		o.Open(customer)
		return o.Add(sku, quantity, price)
	}
}

// show prints what each release makes of some orders.
func (s *shop) show(ctx context.Context, orders ...string) error {
	for _, id := range orders {
		for n, show := range []func(context.Context, string) (string, error){s.one.show, s.two.show, s.three.show} {
			text, err := show(ctx, id)
			if err != nil {
				return err
			}
			if text != "" {
				s.say("   order %s, read by release %d: %s", id, n+1, text)
			}
		}
	}
	return nil
}

// stored prints what stands in the database.
func (s *shop) stored(ctx context.Context) error {
	s.say("\nWhat is stored, in this order and for good:")
	for e, err := range s.three.store.All(ctx, 0, &eventstore.ReadOptions{Raw: true}) {
		if err != nil {
			return err
		}
		s.say("   %s %-16s v%d %s", e.Stream.ID, e.Type, e.Schema, e.Raw)
	}
	return nil
}

// release is an instance of one release.
type release[O aggregate.Aggregate] struct {
	store  *eventstore.Store
	orders *repository.Repository[O]
	loaded repository.Loaded
}

func open[O aggregate.Aggregate](db driver.Store, reg *serializer.Registry, up, down []upcaster.Step,
	newOrder func(id string) O) (*release[O], error) {
	chain, err := upcaster.New(up...)
	if err != nil {
		return nil, err
	}
	downcasts, err := upcaster.NewDowncasts(down...)
	if err != nil {
		return nil, err
	}
	r := new(release[O])
	if r.store, err = eventstore.New(db, reg, &eventstore.Options{Upcasters: chain, Downcasts: downcasts}); err != nil {
		return nil, err
	}
	r.orders, err = repository.New(r.store, "order", newOrder, &repository.Options{Snapshots: repository.EveryEvents(2),
		OnLoad: func(l repository.Loaded) { r.loaded = l }, Logger: slog.New(slog.DiscardHandler)})
	return r, err
}

func (r *release[O]) update(ctx context.Context, id string, f func(o O) error) error {
	_, err := r.orders.Update(ctx, id, f)
	return err
}

// show says what an order looks like, and how it was loaded. A release that is not there says nothing.
func (r *release[O]) show(ctx context.Context, id string) (string, error) {
	if r == nil {
		return "", nil
	}
	o, err := r.orders.Load(ctx, id)
	if err != nil {
		return "", err
	}
	if r.loaded.Discarded != nil {
		return fmt.Sprintf("%v (replayed, the snapshot is another release's)", o), nil
	}
	return fmt.Sprintf("%v (snapshot of version %d, %d events)", o, r.loaded.SnapshotVersion, r.loaded.Replayed), nil
}
