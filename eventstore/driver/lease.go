package driver

import (
	"context"
	"fmt"
	"time"
)

// Leaser gives a checkpoint one owner at a time, so that of many processes one does its work, and keeps a small document
// beside it. A lease is the checkpoint of the same name, which Checkpointer reads and moves too.
//
// Times are the caller's: two processes whose clocks differ may take a lease from each other too early, but the token
// lets only the last one that took it commit.
type Leaser interface {
	// Acquire makes owner the owner of the lease called name until the given time, and returns it: if nobody owns it, if
	// its owner's time was over at now, or if owner owns it already, which renews it. A lease that is not there begins
	// at position 0 without a document. Token grows with each change of owner, a release in between included, and stays
	// the same when a lease is renewed. Otherwise it fails with *HeldError; that is also the answer, at once, while
	// another transaction holds the lease.
	Acquire(ctx context.Context, name, owner string, now, until time.Time) (Lease, error)
	// SaveLease stores Position, Until and State of l. It fails with ErrLeaseLost unless l.Token is the current token
	// and the lease has not been released, and with ErrCheckpointMoved unless the stored position is from; then it
	// changes nothing. Inside a transaction nobody acquires the lease before that ends, and the database ends the
	// transaction if its process does nothing in it for longer than from at to l.Until, where it can.
	SaveLease(ctx context.Context, l Lease, from int64, at time.Time) error
	// ReleaseLease ends the ownership at once if token is the current one, and does nothing else.
	ReleaseLease(ctx context.Context, name string, token int64, at time.Time) error
	// Leases returns all leases and checkpoints whose names begin with prefix, in order of name, byte by byte.
	Leases(ctx context.Context, prefix string) ([]Lease, error)
}

// Lease is a checkpoint and its owner.
type Lease struct {
	Name      string
	Position  int64
	Token     int64  // 0 if it never had an owner
	Owner     string // empty if nobody owns it
	Until     time.Time
	State     []byte    // JSON, nil if there is none
	UpdatedAt time.Time // when it was last saved, acquired or released; UTC, whole microseconds, as all times here
}

// HeldError reports that somebody else owns a lease.
type HeldError struct {
	Lease Lease // as it is stored; Owner is empty if a transaction holds it whose work can't be seen yet
}

// Error implements error.
func (e *HeldError) Error() string {
	if e.Lease.Owner == "" {
		return fmt.Sprintf("the lease %q is being changed by a transaction", e.Lease.Name)
	}
	return fmt.Sprintf("the lease %q is owned by %s until %s", e.Lease.Name, e.Lease.Owner, e.Lease.Until.Format(time.RFC3339))
}

// DeadLetterer keeps a note of each event that a projection could not handle. The event itself stays in the log.
type DeadLetterer interface {
	// SaveDeadLetter stores d, or replaces the one with the same Projection and Position.
	SaveDeadLetter(ctx context.Context, d DeadLetter) error
	// DeleteDeadLetter removes the one at a position; if there is none, it does nothing.
	DeleteDeadLetter(ctx context.Context, projection string, position int64) error
	// DeadLetters returns those of a projection after a position, in order of position, limit at most.
	DeadLetters(ctx context.Context, projection string, after int64, limit int) ([]DeadLetter, error)
}

// DeadLetter is an event that a projection could not handle, and what is to be done about it.
type DeadLetter struct {
	Projection string
	Position   int64 // of the event
	Stream     StreamID
	Version    int64
	Type       string // the event's stored name
	// Skipped tells an event that was left out for good from one that waits, and has the later ones of its stream wait.
	Skipped bool
	Request string // what an operator asks for; empty if nothing
	Error   string
	Tries   int
	FirstAt time.Time // UTC, whole microseconds
	LastAt  time.Time // likewise
}
