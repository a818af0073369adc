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
	for events := storage.Unsaved(r.store.NewID); len(events) > 0; {
		n, position, err := r.append(ctx, a, events)
		if err != nil {
			return err
		}
		r.store.OnEnd(ctx, storage.Saving(n, position))
		events = events[n:]
	}
	if a.Version() > before {
		r.snapshot(ctx, a, storage)
	}
	return nil
}

// append stores the events and returns how many of them, and the position of the last of these: all or, if the outcome of an
// earlier save was unknown and now turns out to be that it succeeded, those of that save. The store refuses them together
// with newer ones.
func (r *Repository[A]) append(ctx context.Context, a A, events []aggregate.PendingEvent) (n int, position int64, err error) {
	batch := make([]eventstore.NewEvent, len(events))
	for i, e := range events {
		batch[i] = eventstore.NewEvent{ID: e.ID, Payload: e.Payload}
	}
	receipt, err := r.store.Append(ctx, r.Stream(a.ID()), eventstore.Exactly(a.Version()), batch...)
	if errors.Is(err, eventstore.ErrIdempotency) {
		if n, position, errRead := r.stored(ctx, a, events); n > 0 || errRead != nil {
			return n, position, errRead
		}
	}
	return len(events), receipt.Position, err
}

// stored returns how many of the events follow the aggregate's version in its stream already, and the last one's position.
func (r *Repository[A]) stored(ctx context.Context, a A, events []aggregate.PendingEvent) (n int, position int64, err error) {
	tail := eventstore.StreamOptions{From: a.Version() + 1, Limit: len(events), Raw: true}
	for e, err := range r.store.Stream(ctx, r.Stream(a.ID()), &tail) {
		if err != nil {
			return 0, 0, err
		}
		if e.ID != events[n].ID {
			break
		}
		n, position = n+1, e.Position
	}
	return n, position, nil
}
