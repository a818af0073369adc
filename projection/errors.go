package projection

import (
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore"
)

var (
	// ErrStopped: the projection does not run any more, because its runner has ended or because of a *StoppedError.
	ErrStopped = errors.New("projection: stopped")
	// ErrPaused: the projection is paused, and nobody works on it until Resume.
	ErrPaused = errors.New("projection: paused: call Resume")
	// ErrNotParked: the stream is not parked in the projection.
	ErrNotParked = errors.New("projection: the stream is not parked")
	// ErrUnknown: the runner has no projection of this name.
	ErrUnknown = errors.New("projection: unknown projection")
)

// StoppedError says why a projection stopped. Nothing is lost by it: everything before is committed, and the next Run
// begins with what failed. For it errors.Is(err, ErrStopped) holds.
type StoppedError struct {
	Projection string
	Position   int64 // everything up to here is handled
	// Event is the one that could not be handled, without its Payload if that could not be decoded. It is nil if
	// something else failed, as reading the log.
	Event *eventstore.Event
	Tries int   // that failed
	Err   error // what the last of them failed with
}

// Error implements error.
func (e *StoppedError) Error() string {
	at := fmt.Sprintf("after position %d", e.Position)
	if e.Event != nil {
		at = "at " + name(e.Event)
	}
	return fmt.Sprintf("projection: %q stopped %s, where the next run begins; tries: %d; the last one: %v",
		e.Projection, at, e.Tries, e.Err)
}

// Unwrap implements errors.Is and errors.As.
func (e *StoppedError) Unwrap() error { return e.Err }

// Is implements errors.Is.
func (e *StoppedError) Is(target error) bool { return target == ErrStopped }
