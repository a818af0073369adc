package driver

import (
	"errors"
	"fmt"
)

// ErrRace is wrapped by an error that says: another writer got there first, nothing was written, and the same call may
// succeed if it is made again (a serialization failure, a deadlock victim, a lock not had in time).
var ErrRace = errors.New("lost a race with another writer")

// ErrHeld is an ErrRace that nobody has won yet: an open transaction of somebody else is in the way, and it may stay open for
// minutes. A driver returns it after a moment, rather than have a commit wait in a lane where others come after it. The
// portable layer then calls Commit with Write.Held, apart from all others.
var ErrHeld = fmt.Errorf("%w: an open transaction is in the way", ErrRace)

// ErrDoomed is an ErrRace that the caller's transaction has lost for good (a deadlock, a serialization failure): the same call may
// succeed in a new transaction, and never in this one. The portable layer then does not call Commit again.
var ErrDoomed = fmt.Errorf("%w: the transaction must be rolled back", ErrRace)

// ErrUnavailable is wrapped by an error that says: the database can't be reached, the connection was lost, or the database
// lacks what it needs just now, as room on its disk. If that happened in Commit, the outcome is unknown; a retry with the
// same event ids is safe.
var ErrUnavailable = errors.New("the database is unavailable")

// ErrCheckpointMoved is returned by Checkpointer.SaveCheckpoint if the checkpoint is not where the caller left it.
var ErrCheckpointMoved = errors.New("the checkpoint was moved by another runner")

// ErrLeaseLost is returned by Leaser.SaveLease if the lease has another owner, or none.
var ErrLeaseLost = errors.New("the lease was lost to another owner")

// ConflictError reports that a stream was not at its expected version. Nothing was written.
type ConflictError struct {
	Stream StreamID
	Actual int64 // 0 if the stream does not exist
}

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("stream %q is at version %d", e.Stream, e.Actual)
}

// DuplicateError reports that ids of the writes are stored already. Nothing was written.
type DuplicateError struct {
	Stored []Record // every record with one of these ids, in order of position
}

// Error implements error.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%d of the event ids are stored already", len(e.Stored))
}
