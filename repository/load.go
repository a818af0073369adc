package repository

import (
	"cmp"
	"context"
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
	l := loading[A]{Repository: r, loaded: Loaded{Stream: r.Stream(id)}}
	if err := l.start(id); err != nil {
		return l.a, err
	}
	err := l.replay(ctx)
	if err == nil && l.a.Version() > 0 && r.opts.OnLoad != nil {
		r.opts.OnLoad(l.loaded)
	}
	return l.a, err
}

// loading is one load.
type loading[A aggregate.Aggregate] struct {
	*Repository[A]
	loaded  Loaded
	a       A
	storage *aggregate.Storage
}

// start begins with nothing.
func (l *loading[A]) start(id string) (err error) {
	if l.a, err = l.new(id); err == nil {
		l.storage, err = aggregate.StorageOf(l.a)
	}
	return err
}

// replay applies the stream's events: those after its snapshot, if the aggregate can begin with that, else all.
func (l *loading[A]) replay(ctx context.Context) error {
	var reached int64
	var failed error
	opts := eventstore.StreamOptions{Reached: func(version int64) { reached = version }}
	if _, ok := any(l.a).(aggregate.Snapshotter); ok {
		opts.Restore = func(snap eventstore.Snapshot, err error) (used bool) {
			used, failed = l.restore(ctx, snap, err)
			return used
		}
	}
	for e, err := range l.store.Stream(ctx, l.loaded.Stream, &opts) {
		if err := cmp.Or(err, failed); err != nil {
			return err
		}
		if err := l.apply(&e); err != nil {
			return err
		}
	}
	if reached > 0 { // beyond the last event's version where upcasters dropped what follows
		l.storage.SetVersion(reached)
	}
	return failed
}

func (l *loading[A]) apply(e *eventstore.Event) error {
	if err := l.storage.Replay(e.Version, e.Payload); err != nil {
		return fmt.Errorf("repository: load %q: version %d, %s v%d: %w", l.loaded.Stream, e.Version, e.Type, e.Schema, err)
	}
	if l.loaded.Replayed++; l.loaded.Replayed == 1 && l.loaded.SnapshotVersion == 0 {
		l.storage.SetSnapshot(0, e.RecordedAt)
	}
	return nil
}

// restore brings the aggregate to its latest snapshot and reports whether that went well. A snapshot that can't be used
// is no reason to fail.
func (l *loading[A]) restore(ctx context.Context, snap eventstore.Snapshot, err error) (bool, error) {
	if err == nil {
		err = l.restoreFrom(&snap)
	}
	if err == nil {
		return true, nil
	}
	l.loaded.Discarded = err
	l.opts.Logger.WarnContext(ctx, "tidemark: discarded a snapshot, replaying the whole stream",
		"stream", l.loaded.Stream.String(), "error", err)
	return false, l.start(l.loaded.Stream.ID) // a failed Restore may have left anything in the first one
}

func (l *loading[A]) restoreFrom(snap *eventstore.Snapshot) error {
	target := any(l.a).(aggregate.Snapshotter)
	err := guarded("Restore", func() error { return target.Restore(snap.State) })
	if err == nil {
		err = checkNew(l.a, l.loaded.Stream.ID) // it may have overwritten the Root, or recorded
	}
	if err != nil {
		return fmt.Errorf("repository: restore %q from its snapshot at version %d: %w", l.loaded.Stream, snap.Version, err)
	}
	if l.storage, err = aggregate.StorageOf(l.a); err != nil {
		return err
	}
	l.storage.SetVersion(snap.Version)
	l.storage.SetSnapshot(snap.Version, snap.RecordedAt)
	l.loaded.SnapshotVersion = snap.Version
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
