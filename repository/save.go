package repository

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/eventstore"
)

// Save appends the aggregate's pending events at its version, all or none; without any it does nothing.
//
// They stop being pending once they are durable: when Save returns nil or, inside a transaction, when that commits. After
// an error they are pending still. A conflict (eventstore.ErrConflict) means that another writer came first and nothing
// was written: load again and decide anew, as Update does. After any other error Save may be called again, even where it
// is unknown whether the events were stored: they carry the same ids and are not stored twice.
//
// A snapshot follows if Options.Snapshots says so. That one fails is logged, not returned.
func (r *Repository[A]) Save(ctx context.Context, a A) error {
	storage, err := aggregate.StorageOf(a)
	if err != nil {
		return fmt.Errorf("repository: save to %q: %w", r.streamType, err)
	}
	before := a.Version()
	for {
		events := storage.Unsaved(r.store.NewID)
		if len(events) == 0 {
			break
		}
		n, err := r.appendMost(ctx, a, events)
		if err != nil {
			return err
		}
		r.store.OnEnd(ctx, storage.Saving(n))
	}
	if a.Version() > before {
		r.snapshot(ctx, a, storage)
	}
	return nil
}

// appendMost stores the events and returns how many: all, or as many as an earlier save, whose outcome was unknown, turns
// out to have stored. The store refuses those together with new ones, since that is a retry of nothing.
func (r *Repository[A]) appendMost(ctx context.Context, a A, events []aggregate.PendingEvent) (int, error) {
	err := r.append(ctx, a, events)
	if !errors.Is(err, eventstore.ErrIdempotency) {
		return len(events), err
	}
	for n := len(events) - 1; n > 0; n-- {
		if !events[n-1].Tried {
			continue
		}
		if err := r.append(ctx, a, events[:n]); !errors.Is(err, eventstore.ErrIdempotency) {
			return n, err
		}
	}
	return 0, err
}

func (r *Repository[A]) append(ctx context.Context, a A, events []aggregate.PendingEvent) error {
	batch := make([]eventstore.NewEvent, len(events))
	for i, e := range events {
		batch[i] = eventstore.NewEvent{ID: e.ID, Payload: e.Payload}
	}
	_, err := r.store.Append(ctx, r.stream(a.ID()), eventstore.Exactly(a.Version()), batch...)
	return err
}
