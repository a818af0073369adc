package upcaster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// Struct reads the payload into an Old and writes the New that f makes of it, both through the codec of the event's
// content type. Keep the old struct for it as it was; fields that Old does not have are lost.
//
// The codec is given a *Old and a *New. One that needs an allocated element where Old is itself a pointer, as those of
// generated messages do, is better served by Split.
func Struct[Old, New any](from, to Type, f func(Old) (New, error)) Step {
	step := Step{from: from, to: []Type{to}, codec: true}
	if f == nil {
		return step
	}
	step.apply = func(e Event, c Codec) ([]Event, error) {
		var old Old
		if err := c.Unmarshal(e.Data, &old); err != nil {
			return nil, fmt.Errorf("read the payload: %w", err)
		}
		updated, err := f(old)
		if err != nil {
			return nil, err
		}
		return e.rewritten(to, c, &updated)
	}
	return step
}

// Map reads the payload into a map, has f edit it in place, and writes it back, both through the codec of the event's
// content type. The payload must be an object; null is none. Numbers of a JSON payload are json.Number at every depth,
// so that all their digits survive.
//
// For that the codec is given a pointer to a map[string]any that implements json.Unmarshaler.
func Map(from, to Type, f func(fields map[string]any) error) Step {
	step := Step{from: from, to: []Type{to}, codec: true}
	if f == nil {
		return step
	}
	step.apply = func(e Event, c Codec) ([]Event, error) {
		var fields object
		if err := c.Unmarshal(e.Data, &fields); err != nil {
			return nil, fmt.Errorf("read the payload: %w", err)
		}
		if fields == nil {
			return nil, errors.New("read the payload: it is not an object")
		}
		if err := f(fields); err != nil {
			return nil, err
		}
		return e.rewritten(to, c, (*map[string]any)(&fields))
	}
	return step
}

// object is a payload's fields. A JSON codec leaves the numbers in it as they are written.
type object map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode((*map[string]any)(o))
}

// Rename gives the payload another name, another version, or both, and leaves its bytes as they are.
func Rename(from, to Type) Step {
	return Step{from: from, to: []Type{to}, apply: func(e Event, _ Codec) ([]Event, error) {
		e.Type = to
		return []Event{e}, nil
	}}
}

// Split replaces an event with those that f returns, in that order: any number, none included, each of a type that is
// listed in to. It is the most general step: f sees metadata, tags and time as well, and may return another content
// type. c is the codec of e's content type; f may change e and keep it.
//
// What f leaves out of an event it returns is taken from e: ContentType if it is "", Metadata if it is nil. Tags and
// RecordedAt are always those of e.
func Split(from Type, to []Type, f func(e Event, c Codec) ([]Event, error)) Step {
	step := Step{from: from, to: slices.Clone(to), codec: true}
	if f == nil {
		return step
	}
	step.apply = func(e Event, c Codec) ([]Event, error) {
		parts, err := f(e.clone(), c)
		if err != nil {
			return nil, err
		}
		return e.parts(parts, step.to)
	}
	return step
}

// Drop leaves an event out of what is read. It stays stored and keeps its version and position.
func Drop(from Type) Step {
	return Step{from: from, apply: func(Event, Codec) ([]Event, error) { return nil, nil }}
}

// rewritten returns e with another type and payload.
func (e Event) rewritten(to Type, c Codec, payload any) ([]Event, error) {
	data, err := c.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("write the payload: %w", err)
	}
	e.Type, e.Data = to, data
	return []Event{e}, nil
}

// clone returns a copy of e that shares no memory with it.
func (e Event) clone() Event {
	e.Data = bytes.Clone(e.Data)
	e.Metadata = maps.Clone(e.Metadata)
	e.Tags = slices.Clone(e.Tags)
	return e
}

// parts returns what a split made of e, completed from e and checked.
func (e Event) parts(made []Event, declared []Type) ([]Event, error) {
	parts := make([]Event, len(made))
	for i, part := range made {
		if !slices.Contains(declared, part.Type) {
			return nil, fmt.Errorf("it returned %v, which it does not declare", part.Type)
		}
		if part.ContentType == "" {
			part.ContentType = e.ContentType
		}
		if part.Metadata == nil {
			part.Metadata = e.Metadata
		}
		part.Metadata = maps.Clone(part.Metadata)
		part.Tags = slices.Clone(e.Tags)
		part.RecordedAt = e.RecordedAt
		parts[i] = part
	}
	return parts, nil
}
