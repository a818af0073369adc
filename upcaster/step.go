package upcaster

import (
	"fmt"
	"slices"
)

// Step takes events of one type to others. The zero Step is refused by New.
type Step struct {
	from  Type
	to    []Type
	codec bool // apply is given the codec of the event's content type
	apply func(e Event, c Codec) ([]Event, error)
}

// From returns the type that the step takes.
func (s Step) From() Type { return s.from }

// To returns the types that the step makes, none if it drops events.
func (s Step) To() []Type { return slices.Clone(s.to) }

// String returns the step as it stands in error messages.
func (s Step) String() string {
	if len(s.to) == 0 {
		return fmt.Sprintf("the step that drops %v", s.from)
	}
	to := s.to[0].String()
	for _, t := range s.to[1:] {
		to += " and " + t.String()
	}
	return fmt.Sprintf("the step from %v to %s", s.from, to)
}

// Rename gives the payload another name, another version, or both, and leaves its bytes as they are. Several names that
// are renamed to one are merged.
func Rename(from, to Type) Step {
	return Step{from: from, to: []Type{to}, apply: func(e Event, _ Codec) ([]Event, error) {
		e.Type = to
		return []Event{e}, nil
	}}
}

// Drop leaves an event out of what is read. It stays stored and keeps its version and position.
func Drop(from Type) Step {
	return Step{from: from, apply: func(Event, Codec) ([]Event, error) { return nil, nil }}
}

// run applies the step, with its codec if it needs one.
func (s Step) run(e Event, codec func(string) (Codec, bool)) (parts []Event, err error) {
	defer catch(&err)
	if !s.codec {
		return s.apply(e, nil)
	}
	c, ok := codec(e.ContentType)
	if !ok {
		return nil, fmt.Errorf("no codec for content type %q", e.ContentType)
	}
	return s.apply(e, c)
}

// catch turns a panic of the user's code into an error.
func catch(err *error) {
	switch p := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("panic: %w", p)
	default:
		*err = fmt.Errorf("panic: %v", p)
	}
}
