package projection

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/tidemark-go/tidemark/eventstore"
)

// failure is an error with the events that may be to blame for it.
type failure struct {
	suspects []eventstore.Event // at least one
	before   int                // stored events of the batch that stand in front of the suspects, and did well
	err      error
	class    class
}

// Error implements error.
func (f *failure) Error() string {
	if n := stored(f.suspects); n > 1 {
		return fmt.Sprintf("a batch of %d events, the first of them %s: %v", n, name(&f.suspects[0]), f.err)
	}
	return fmt.Sprintf("%s: %v", name(&f.suspects[0]), f.err)
}

// Unwrap implements errors.Is and errors.As.
func (f *failure) Unwrap() error { return f.err }

// name tells people which event is meant.
func name(e *eventstore.Event) string {
	return fmt.Sprintf("%s, version %d of stream %q (position %d)", e.Type, e.Version, e.Stream, e.Position)
}

// last returns the position up to which the suspects stand.
func (f *failure) last() int64 { return f.suspects[len(f.suspects)-1].Position }

// stored counts the stored events that events came from. A batch is never cut between the parts of one.
func stored(events []eventstore.Event) int {
	n := 0
	for i := range events {
		if i == 0 || events[i].Position != events[i-1].Position {
			n++
		}
	}
	return n
}

// undecodable returns the failure of an event that could not even be read.
func undecodable(err *eventstore.DecodeError) *failure {
	c := decoding
	if errors.Is(err, eventstore.ErrUnknownEvent) {
		c = unknown
	}
	return &failure{err: err, class: c, suspects: []eventstore.Event{{Position: err.Position, Version: err.Version,
		Stream: err.Stream, Type: err.Type, Schema: err.Schema}}}
}

// panicked is a handler's panic as an error.
type panicked struct {
	value any
	stack []byte
}

// Error implements error.
func (p *panicked) Error() string { return fmt.Sprintf("the handler panicked: %v", p.value) }

// Unwrap implements errors.Is and errors.As for a handler that panicked with an error.
func (p *panicked) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// stack returns what a line of the log says about where a panic came from, if there was one.
func stack(err error) []any {
	var p *panicked
	if !errors.As(err, &p) {
		return nil
	}
	return []any{"stack", string(p.stack)}
}

// orPanic returns err, or a recovered value as an error.
func orPanic(err error, recovered any) error {
	if recovered == nil {
		return err
	}
	return &panicked{value: recovered, stack: debug.Stack()}
}
