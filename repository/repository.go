// Package repository loads aggregates from their streams and saves what they recorded.
//
//	orders, err := repository.New(store, "order", order.New, nil)
//	o, err := orders.Update(ctx, "42", func(o *order.Order) error { return o.AddLine(mug) })
//
// A load starts from the latest snapshot, where the aggregate is an aggregate.Snapshotter, and replays the events after
// it. A save appends the pending events at the version that was loaded: of two writers who decided on the same state, one
// gets an eventstore.ConflictError. [Repository.Update] is load, decide and save in one, tried again after a conflict.
//
// With the context of a transaction (eventstore.Store.Transact, or sqltx.In) everything here takes part in it.
package repository

import (
	"errors"
	"fmt"
	"sync"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/eventstore"
)

// ErrNotFound is what Load fails with if the aggregate has no events. It is eventstore.ErrStreamNotFound.
var ErrNotFound = eventstore.ErrStreamNotFound

// Repository keeps the aggregates of type A, each in a stream of its own. It is safe for concurrent use; an aggregate
// that it returned is not.
type Repository[A aggregate.Aggregate] struct {
	store      *eventstore.Store
	streamType string
	newA       func(id string) A
	opts       Options

	noSnapshots sync.Once // guards the one log line about a driver that keeps none
}

// New returns a repository of the streams of type streamType, which follows the rules of eventstore.StreamID.Type.
//
// newA is the aggregate's constructor: it calls Init with the id that it is given and records nothing, since every load
// begins with it. New calls it once, with a made-up id, to see that it does.
func New[A aggregate.Aggregate](store *eventstore.Store, streamType string, newA func(id string) A, opts *Options) (*Repository[A], error) {
	switch {
	case store == nil:
		return nil, errors.New("repository: New needs a store")
	case newA == nil:
		return nil, fmt.Errorf("repository: New of %q needs the aggregate's constructor", streamType)
	}
	if err := checkStreamType(streamType); err != nil {
		return nil, err
	}
	r := &Repository[A]{store: store, streamType: streamType, newA: newA}
	var err error
	if r.opts, err = opts.withDefaults(); err == nil {
		err = r.probe(opts)
	}
	if err != nil {
		return nil, fmt.Errorf("repository: New of %q: %w", streamType, err)
	}
	return r, nil
}

func checkStreamType(streamType string) error {
	stream, err := eventstore.ParseStreamID(streamType + "-1")
	if err == nil && stream.Type != streamType {
		err = errors.New("it contains a hyphen, which separates type and id in a stream's name")
	}
	if err != nil {
		return fmt.Errorf("repository: New of %q: not a stream type: %w", streamType, err)
	}
	return nil
}

// probe finds the mistakes of a constructor before the first aggregate is loaded.
func (r *Repository[A]) probe(opts *Options) error {
	return guarded("the aggregate's constructor", func() error {
		const id = "00000000-0000-0000-0000-000000000000"
		a := r.newA(id)
		if err := checkNew(a, id); err != nil {
			return err
		}
		s, ok := any(a).(aggregate.Snapshotter)
		switch {
		case ok && r.opts.Snapshots.ever():
			return r.probeSnapshot(s)
		case !ok && opts != nil && opts.Snapshots.ever():
			return fmt.Errorf("the option Snapshots is set, but %T is no aggregate.Snapshotter: give it the methods "+
				"Snapshot() (any, error) and Restore(state any) error, or leave the option out", a)
		}
		return nil
	})
}

// probeSnapshot finds a state that nobody registered. An aggregate without events may have no state to show.
func (r *Repository[A]) probeSnapshot(a aggregate.Snapshotter) error {
	var state any
	err := guarded("Snapshot", func() (err error) { state, err = a.Snapshot(); return err })
	if err != nil || state == nil {
		return nil
	}
	if err := r.store.Registered(state); err != nil {
		return fmt.Errorf("%T could not be snapshotted: %w", a, err)
	}
	return nil
}

// Stream returns the id of the stream that an aggregate is kept in, for reading it as it is stored.
func (r *Repository[A]) Stream(id string) eventstore.StreamID {
	return eventstore.StreamID{Type: r.streamType, ID: id}
}
