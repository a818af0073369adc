package driver

import (
	"context"
	"fmt"
	"time"
)

// Leaser gives a checkpoint one owner at a time, so that of many processes one does its work, and keeps a small document
// beside it. A lease is the checkpoint of the same name, which Checkpointer reads and moves too, whoever owns it.
//
// Times are the caller's: two processes whose clocks differ may take a lease from each other too early, but the token
// lets only the last one that took it commit. Names and owners are non-empty UTF-8 without NUL of at most 255 bytes,
// compared byte by byte.
//
// A call with a context that carries a transaction is part of it. *HeldError, ErrLeaseLost and ErrCheckpointMoved leave
// the transaction as usable as before.
type Leaser interface {
	// Acquire makes owner the owner of the lease called name until the given time, and returns it: if nobody owns it, if
	// its owner's time was over at now, or if owner owns it already, which renews it even when its time was over. A lease
	// that is not there begins at position 0 without a document. Token grows whenever the lease gets an owner that
	// it did not have just before; the same one that acquires again after a release is such an owner. It stays the same
	// when a lease is renewed.
	//
	// Otherwise it fails with *HeldError, changes nothing and holds up nobody. That is also the answer, at once, while
	// another transaction has acquired, saved, released or moved the lease and has not ended. Where the database has one
	// writer, Acquire waits for such a transaction like everything that writes, and then knows.
	Acquire(ctx context.Context, name, owner string, now, until time.Time) (Lease, error)
	// SaveLease stores Position, State and Until, which is later than at, of l. It fails with ErrLeaseLost unless l.Owner
	// owns the lease and l.Token is the current token, no matter whether its time is over: the owner's name is not enough,
	// since a part of that owner may have slept while the lease was another's and came back. Otherwise it fails with
	// ErrCheckpointMoved unless the stored position is from. When it fails, it changes nothing. It waits for another
	// transaction that has changed the lease.
	//
	// After SaveLease or Acquire inside a transaction, nobody acquires the lease before that has ended, however long its
	// time has been over: what its owner did in it is committed before the next one begins, or never. So that a process
	// that has stopped in the midst of it does not keep the lease for good, the database ends the transaction if the
	// process does nothing in it for as long as the lease was taken for, where it can.
	SaveLease(ctx context.Context, l Lease, from int64, at time.Time) error
	// ReleaseLease ends the ownership at once if token is the current one and somebody owns the lease; otherwise it does
	// nothing. Position, document and token stay: it is the next Acquire that makes the token grow. It waits for another
	// transaction that has changed the lease.
	ReleaseLease(ctx context.Context, name string, token int64, at time.Time) error
	// Leases returns all leases and checkpoints whose names begin with prefix, which may be empty, in order of name, byte
	// by byte. An owner whose time is over is listed until somebody else acquires the lease.
	Leases(ctx context.Context, prefix string) ([]Lease, error)
}

// Lease is a checkpoint and its owner.
type Lease struct {
	Name      string
	Position  int64
	Token     int64     // 0 if it never had an owner
	Owner     string    // empty if nobody owns it
	Until     time.Time // zero if nobody owns it
	State     []byte    // valid JSON, which comes back byte for byte; nil if there is none, never empty
	UpdatedAt time.Time // when it was last saved, moved, acquired or released; UTC, whole microseconds, as all times here
}

// HeldError reports that somebody else owns a lease.
type HeldError struct {
	// Lease is what is stored. It has a Name and nothing else if what is stored would let the caller have it, but a
	// transaction holds it whose work can't be seen yet: asking again is worth while.
	Lease Lease
}

// Error implements error.
func (e *HeldError) Error() string {
	if e.Lease.Owner == "" {
		return fmt.Sprintf("the lease %q is being changed by a transaction", e.Lease.Name)
	}
	return fmt.Sprintf("the lease %q is owned by %s until %s", e.Lease.Name, e.Lease.Owner, e.Lease.Until.Format(time.RFC3339))
}

// DeadLetterer keeps a note of each event that a projection could not handle. The event itself stays in the log. A call
// with a context that carries a transaction is part of it.
type DeadLetterer interface {
	// SaveDeadLetter stores d, or replaces the one with the same Projection and Position.
	SaveDeadLetter(ctx context.Context, d DeadLetter) error
	// DeleteDeadLetter removes the one at a position; if there is none, it does nothing.
	DeleteDeadLetter(ctx context.Context, projection string, position int64) error
	// DeadLetters returns those of a projection after a position, in order of position, limit at most, which is 1 or more.
	DeadLetters(ctx context.Context, projection string, after int64, limit int) ([]DeadLetter, error)
}

// DeadLetter is an event that a projection could not handle, and what is to be done about it. All texts are UTF-8 without
// NUL.
type DeadLetter struct {
	Projection string
	Position   int64 // of the event
	Stream     StreamID
	Version    int64
	Type       string // the event's stored name
	// Skipped tells an event that was left out for good from one that waits, and has the later ones of its stream wait.
	Skipped bool
	Request string // what an operator asks for, in at most 255 bytes; empty if nothing
	Error   string // in at most 8 KiB
	Tries   int
	FirstAt time.Time // of the first failure; UTC, whole microseconds
	LastAt  time.Time // of the last one; likewise
}
