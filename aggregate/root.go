package aggregate

import (
	"errors"
	"fmt"
	"strings"
)

var (
	errNoInit = errors.New("aggregate: Init was not called: call it in the constructor, as in o.Init(id, o.apply)")
	errCopied = errors.New("aggregate: the aggregate was copied after Init, so its events would change the original: " +
		"pass aggregates as pointers")
)

// Root gives the type that embeds it an id, a version and recorded events of type E, which is best an interface that only
// this aggregate's events implement. It is not safe for concurrent use, and must not be copied after Init.
type Root[E any] struct {
	apply func(E)
	kept  Storage
}

// Init gives the aggregate its id and its apply function. Call it first thing in the constructor, once.
//
// apply changes the state by one event. It is called for every event that is recorded and for every stored event that is
// loaded, so it decides nothing, refuses nothing and calls nothing outside of the aggregate.
func (r *Root[E]) Init(id string, apply func(E)) {
	if apply == nil {
		panic("aggregate: Init without an apply function: events would change nothing")
	}
	if r.kept.root == replayer(r) {
		panic(fmt.Sprintf("aggregate: Init was called already, for %q", r.kept.id))
	}
	r.apply = apply
	r.kept = Storage{id: id, root: r}
}

// ID returns the id that Init was given.
func (r *Root[E]) ID() string { return r.kept.id }

// Version returns the version of the last stored event, 0 if none is stored. Pending events don't count until they are
// saved; in a transaction that has not ended yet, what was saved in it counts.
func (r *Root[E]) Version() int64 { return r.kept.version + int64(r.kept.flying) }

// Position returns where in the global log the last event stands that was saved through this value, 0 if none was: what
// projection.Runner.WaitFor waits for, so that whoever reads then sees what was written. Loading does not change it, and
// what was saved in a transaction counts when that has committed.
func (r *Root[E]) Position() int64 { return r.kept.position }

// Record applies the events, one after the other, and keeps them to be saved. The state has changed when it returns.
//
// It panics if Init was not called, on a copy of the aggregate, and if apply calls it: apply runs for loaded events too, which
// would then record new ones.
func (r *Root[E]) Record(events ...E) {
	s, err := r.storage()
	if err != nil {
		panic(err.Error())
	}
	if s.applying {
		panic(fmt.Sprintf("aggregate: apply of %q called Record: record in commands, apply only changes state", s.id))
	}
	for _, e := range events {
		r.change(e)
		s.pending = append(s.pending, PendingEvent{Payload: e})
	}
}

// Pending returns the events that were recorded and are not known to be durable, in order, in a slice of the caller's own.
func (r *Root[E]) Pending() []E {
	events := make([]E, len(r.kept.pending))
	for i, p := range r.kept.pending {
		events[i], _ = p.Payload.(E) // always an E, or the nil that was recorded as one
	}
	return events
}

func (r *Root[E]) storage() (*Storage, error) {
	switch r.kept.root {
	case nil:
		return nil, errNoInit
	case replayer(r):
		return &r.kept, nil
	default:
		return nil, errCopied
	}
}

// replay implements replayer.
func (r *Root[E]) replay(event any) error {
	e, ok := event.(E)
	if !ok {
		return fmt.Errorf("aggregate: %q has no use for a %T: the events of its root are of type %s",
			r.kept.id, event, strings.TrimPrefix(fmt.Sprintf("%T", (*E)(nil)), "*"))
	}
	r.change(e)
	return nil
}

// change runs apply, and marks whether it runs, and whether it came to its end, even if it panics and somebody recovers.
func (r *Root[E]) change(e E) {
	torn := true
	defer func() { r.kept.applying, r.kept.torn = false, r.kept.torn || torn }()
	r.kept.applying = true
	r.apply(e)
	torn = false
}
