package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// The errors that a caller tells apart with errors.Is.
var (
	// ErrConflict: a stream was not at the expected version; a *ConflictError has the details. Nothing was written.
	ErrConflict = errors.New("eventstore: conflict")
	// ErrStreamNotFound: a stream was asked for that has no events.
	ErrStreamNotFound = errors.New("eventstore: stream not found")
	// ErrIdempotency: an event id is stored already, but not by an append that this one could be a retry of.
	ErrIdempotency = errors.New("eventstore: event id already used")
	// ErrUnknownEvent: an event's Go type, name or schema version is not registered.
	ErrUnknownEvent = errors.New("eventstore: unknown event")
	// ErrNotSupported: the driver lacks the capability.
	ErrNotSupported = errors.New("eventstore: not supported by this driver")
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("eventstore: the store is closed")
	// ErrCheckpointMoved: a checkpoint is not where SaveCheckpoint's caller left it: another runner handles the same
	// projection.
	ErrCheckpointMoved = driver.ErrCheckpointMoved
)

// ConflictError says which stream was not as expected. For it errors.Is(err, ErrConflict) holds; if an existing stream
// was expected, errors.Is(err, ErrStreamNotFound) holds as well.
type ConflictError struct {
	Stream   StreamID
	Expected ExpectedVersion
	Actual   int64 // the stream's version; 0 if it has no events
}

// Error implements error.
func (e *ConflictError) Error() string {
	actual := "does not exist"
	if e.Actual > 0 {
		actual = fmt.Sprintf("is at version %d", e.Actual)
	}
	return fmt.Sprintf("eventstore: conflict: stream %q %s, expected %s: load it again and decide anew",
		e.Stream, actual, e.Expected)
}

// Is implements errors.Is.
func (e *ConflictError) Is(target error) bool {
	return target == ErrConflict || target == ErrStreamNotFound && e.Expected == StreamExists
}

// DecodeError says which stored event could not be turned into a Go value. For an event whose name or schema version
// is not registered errors.Is(err, ErrUnknownEvent) holds. The event itself is unharmed: a read with Raw shows it.
type DecodeError struct {
	Stream   StreamID
	Version  int64
	Position int64
	Type     string // as stored
	Schema   int    // as stored
	Err      error
}

// Error implements error.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("eventstore: can't decode %s v%d, version %d of stream %q (position %d): %v",
		e.Type, e.Schema, e.Version, e.Stream, e.Position, e.Err)
}

// Unwrap implements errors.Is and errors.As.
func (e *DecodeError) Unwrap() error { return e.Err }

// Retryable reports whether the same work, done again from the start, may succeed: after a conflict, a serialization
// failure or a lost connection, and after what passes or is mended without a change of the program, such as a lock that is
// held, a full disk or Postgres's statement_timeout. It is false for a context's end. After a lost connection the outcome of an
// append is unknown: try again with the same event ids, and nothing is stored twice.
func Retryable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return errors.Is(err, ErrConflict) || errors.Is(err, driver.ErrRace) || errors.Is(err, driver.ErrUnavailable)
}

// unknownEvent makes err an ErrUnknownEvent without a word of its own: err says what is unknown.
type unknownEvent struct{ err error }

// Error implements error.
func (e *unknownEvent) Error() string { return e.err.Error() }

// Is implements errors.Is.
func (e *unknownEvent) Is(target error) bool { return target == ErrUnknownEvent }

// Unwrap implements errors.Is and errors.As.
func (e *unknownEvent) Unwrap() error { return e.err }
