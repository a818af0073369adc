package repository

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/eventstore"
)

// Loaded tells how an aggregate was loaded.
type Loaded struct {
	Stream          eventstore.StreamID
	SnapshotVersion int64 // of the snapshot that it started from; 0 if it started empty
	Replayed        int   // events applied after that, as the upcasters made them
	Discarded       error // why a snapshot was there and could not be used; nil otherwise
}

// Load returns the aggregate as of its last stored event. It is ErrNotFound if there is none.
//
// A stored event whose type is not registered, whose payload does not decode (*eventstore.DecodeError) or which the
// aggregate does not take fails the load with an error that names stream, version and type. A snapshot that can't be used
// does not: it is logged, reported in Loaded.Discarded, and all events are replayed.
func (r *Repository[A]) Load(ctx context.Context, id string) (A, error) {
	a, err := r.load(ctx, id)
	if err == nil && a.Version() == 0 {
		err = fmt.Errorf("%w: %q", ErrNotFound, r.Stream(id))
	}
	if err != nil {
		var none A
		return none, err
	}
	return a, nil
}

// load returns a new aggregate, of version 0, if nothing is stored.
func (r *Repository[A]) load(ctx context.Context, id string) (A, error) {
	loaded := Loaded{Stream: r.Stream(id)}
	a, err := r.start(ctx, id, &loaded)
	if err == nil {
		err = r.replay(ctx, a, &loaded)
	}
	if err == nil && a.Version() > 0 && r.opts.OnLoad != nil {
		r.opts.OnLoad(loaded)
	}
	return a, err
}

// start returns what the stream's tail is to be replayed on: the aggregate as of its snapshot, or a new one.
func (r *Repository[A]) start(ctx context.Context, id string, loaded *Loaded) (A, error) {
	a, err := r.new(id)
	if err != nil {
		return a, err
	}
	target, ok := any(a).(aggregate.Snapshotter)
	if !ok {
		return a, nil
	}
	switch err := r.restore(ctx, target, a, loaded); {
	case err == nil, errors.Is(err, eventstore.ErrNotSupported):
		return a, nil
	case !errors.As(err, new(*badSnapshot)):
		return a, err
	default:
		loaded.Discarded = err
		r.opts.Logger.WarnContext(ctx, "tidemark: discarded a snapshot, replaying the whole stream",
			"stream", loaded.Stream.String(), "error", err)
		return r.new(id) // a failed Restore may have left anything in the first one
	}
}

// replay applies the events after the aggregate's version.
func (r *Repository[A]) replay(ctx context.Context, a A, loaded *Loaded) error {
	storage, err := aggregate.StorageOf(a)
	if err != nil {
		return err
	}
	var reached int64
	tail := eventstore.StreamOptions{From: a.Version() + 1, Reached: func(version int64) { reached = version }}
	for e, err := range r.store.Stream(ctx, loaded.Stream, &tail) {
		if err != nil {
			return err
		}
		if err := storage.Replay(e.Version, e.Payload); err != nil {
			return fmt.Errorf("repository: load %q: version %d, %s v%d: %w", loaded.Stream, e.Version, e.Type, e.Schema, err)
		}
		if loaded.Replayed++; loaded.Replayed == 1 && loaded.SnapshotVersion == 0 {
			storage.SetSnapshot(0, e.RecordedAt)
		}
	}
	if reached > 0 { // beyond the last event's version where upcasters dropped what follows
		storage.SetVersion(reached)
	}
	return nil
}

// new returns an aggregate with nothing in it.
func (r *Repository[A]) new(id string) (A, error) {
	a := r.newA(id)
	if err := checkNew(a, id); err != nil {
		return a, fmt.Errorf("repository: new %q: %w", r.Stream(id), err)
	}
	return a, nil
}

func checkNew(a aggregate.Aggregate, id string) error {
	storage, err := aggregate.StorageOf(a)
	switch {
	case err != nil:
		return err
	case a.ID() != id:
		return fmt.Errorf("%T calls itself %q instead of %q: give Init the id as it is", a, a.ID(), id)
	case storage.Pending() > 0:
		return fmt.Errorf("%T recorded events while it was made, so every load would: record them in a command", a)
	default:
		return nil
	}
}
