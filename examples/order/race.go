package main

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
)

func (t *tour) race(ctx context.Context) error {
	id := t.numbers[0]
	t.say("Ann and Bob have both loaded the order. Each adds a lunch bag and saves:")
	if err := t.conflict(ctx, id); err != nil {
		return err
	}
	t.say("Update loads, decides and saves in one, and does it again after a conflict:")
	return t.retry(ctx, id)
}

// conflict shows what Save says to the second of two writers.
func (t *tour) conflict(ctx context.Context, id string) error {
	ann, err := t.orders.Load(ctx, id)
	if err != nil {
		return err
	}
	bob, err := t.orders.Load(ctx, id)
	if err != nil {
		return err
	}
	if err := errors.Join(addBag(ann, "Ann"), addBag(bob, "Bob"), t.orders.Save(ctx, ann)); err != nil {
		return err
	}
	t.say("   Ann: saved as version %d", ann.Version())
	err = t.orders.Save(ctx, bob)
	if !errors.Is(err, eventstore.ErrConflict) {
		return err
	}
	t.say("   Bob: %v", err)
	return nil
}

func addBag(o *order.Order, clerk string) error {
	return o.AddLine(line(clerk, "20725", "LUNCH BAG", 1, order.Pence(165)))
}

// retry shows what Update does about it.
func (t *tour) retry(ctx context.Context, id string) error {
	var decided, done sync.WaitGroup
	decided.Add(2)
	attempts, errs := make([]attempt, 2), make([]error, 2)
	for i, name := range []string{"Bob", "Cleo"} {
		done.Go(func() { attempts[i], errs[i] = t.clerk(ctx, id, name, &decided) })
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	slices.SortFunc(attempts, func(a, b attempt) int { return len(a.versions) - len(b.versions) })
	first, second := attempts[0], attempts[1]
	t.say("   %s: decided on version %d, saved", first.clerk, first.versions[0])
	t.say("   %s: decided on version %d, conflict, decided again on version %d, saved",
		second.clerk, second.versions[0], second.versions[1])
	return nil
}

// attempt is a clerk's way to a saved order.
type attempt struct {
	clerk    string
	versions []int64 // of the order, each time that the clerk decided
}

// clerk adds a bag. The first time, it waits until the other one has decided as well.
func (t *tour) clerk(ctx context.Context, id, name string, decided *sync.WaitGroup) (attempt, error) {
	a := attempt{clerk: name}
	ready := sync.OnceFunc(decided.Done)
	defer ready()
	_, err := t.orders.Update(ctx, id, func(o *order.Order) error {
		a.versions = append(a.versions, o.Version())
		ready()
		decided.Wait()
		return addBag(o, name)
	})
	return a, err
}
