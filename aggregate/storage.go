package aggregate

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Storage is the side of an aggregate that a repository works with. Domain code has no use for it.
type Storage struct {
	id       string
	root     replayer // the Root that this is the storage of; another one's if the aggregate was copied
	applying bool
	torn     bool // apply has panicked

	version int64          // of the last durable event
	pending []PendingEvent // recorded and not known to be durable; they follow version
	flying  int            // how many of the first of them were appended in a transaction that has not ended

	position int64 // in the global log, of the last event that was saved

	snapshot int64
	since    time.Time
}

// replayer is a Root of any event type.
type replayer interface {
	replay(event any) error
}

// PendingEvent is an event to append, with the id that it keeps however often that is tried.
type PendingEvent struct {
	ID      uuid.UUID
	Payload any
}

// StorageOf returns the storage side of an aggregate. It fails if Init was not called, or on another value than this.
func StorageOf(a Aggregate) (*Storage, error) { return a.storage() }

// Replay applies a stored event and sets the version to its version. The events that one stored event was upcast into
// share a version, and where one was dropped the version jumps. It fails if the root does not take such an event.
func (s *Storage) Replay(version int64, event any) error {
	if err := s.root.replay(event); err != nil {
		return err
	}
	s.version = version
	return nil
}

// SetVersion sets the version of the last stored event where no replayed event tells it: after a snapshot was restored,
// and where the last stored event was dropped by an upcaster.
func (s *Storage) SetVersion(version int64) { s.version = version }

// Pending returns how many events were recorded and are not known to be durable.
func (s *Storage) Pending() int { return len(s.pending) }

// Unsaved returns the events to append at the aggregate's version. An event gets its id from newID the first time it is
// handed out and keeps it, so that a save that is tried again is known by its ids.
func (s *Storage) Unsaved(newID func() uuid.UUID) []PendingEvent {
	unsaved := s.pending[s.flying:]
	for i := range unsaved {
		if unsaved[i].ID == uuid.Nil {
			unsaved[i].ID = newID()
		}
	}
	return slices.Clone(unsaved)
}

// Saving says that the first n events of Unsaved were appended, perhaps in a transaction, the last of them at a position of
// the global log. From now on they are not handed out again and the version counts them. The repository calls end once it is
// known what became of them: end(true) forgets them, end(false) makes them pending again. Calls may overlap as long as all
// have the same outcome.
func (s *Storage) Saving(n int, position int64) (end func(committed bool)) {
	s.flying += n
	return func(committed bool) {
		s.flying -= n
		if committed {
			s.version += int64(n)
			s.position = max(s.position, position)
			s.pending = slices.Delete(s.pending, 0, n)
		}
	}
}

// Torn reports whether apply has panicked on an event, which is not kept, and may have left half of its change in the state.
func (s *Storage) Torn() bool { return s.torn }

// Snapshot returns what SetSnapshot was given last.
func (s *Storage) Snapshot() (version int64, since time.Time) { return s.snapshot, s.since }

// SetSnapshot remembers the version of the latest snapshot, 0 if there is none, and since when that is so: the time at
// which it was taken, or else at which the stream began.
func (s *Storage) SetSnapshot(version int64, since time.Time) { s.snapshot, s.since = version, since }
