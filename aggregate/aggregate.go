// Package aggregate is what a domain type embeds to be event sourced.
//
// An aggregate is a pointer to a struct that embeds [Root] and hands it, in its constructor, its id and the function that
// changes its state:
//
//	type Order struct {
//		aggregate.Root[Event]
//		status Status
//	}
//
//	func New(id string) *Order { o := new(Order); o.Init(id, o.apply); return o }
//
// Commands are methods that check the state and call Record. Only apply changes the state, for new events and for loaded
// ones alike, so a loaded aggregate is what it was when it was saved.
//
// An aggregate value belongs to one goroutine at a time: nothing here locks.
package aggregate

// Aggregate is any type that embeds [Root]. Nothing else can satisfy it.
type Aggregate interface {
	ID() string
	Version() int64
	storage() (*Storage, error)
}

// Snapshotter is an aggregate whose state can be stored, so that loading it need not replay its whole stream.
//
// The state is a value of a type that is registered like an event type. It must hold all that apply ever changes: an
// aggregate restored from it goes on exactly like one that has replayed every event.
type Snapshotter interface {
	// Snapshot returns the state. It shares no memory with the aggregate that apply will write to.
	Snapshot() (any, error)
	// Restore takes over a state that Snapshot returned, on an aggregate fresh from its constructor. An error (for a
	// state of an unexpected type, say) has the snapshot discarded and the stream replayed.
	Restore(state any) error
}
