package upcaster

import (
	"fmt"
	"slices"
)

// Split replaces an event with those that f returns, in that order: any number, none included, each of a type that is
// listed in to. It is the most general step: f may also return another content type or other metadata. c is the codec of
// e's content type; f may change e and keep it, and e.Metadata is never nil.
//
// What f leaves out of an event it returns is taken from e: ContentType if it is "", Metadata if it is nil. What a step
// can't change (see [Event]) is always that of e.
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

// parts returns what a split made of e, completed from e and checked.
func (e Event) parts(made []Event, declared []Type) ([]Event, error) {
	parts := make([]Event, len(made))
	for i, m := range made {
		if !slices.Contains(declared, m.Type) {
			return nil, fmt.Errorf("it returned %v, which it does not declare", m.Type)
		}
		if m.ContentType == "" {
			m.ContentType = e.ContentType
		}
		if m.Metadata == nil {
			m.Metadata = e.Metadata
		}
		parts[i] = e.withMetadata(m.Metadata)
		parts[i].Tags = slices.Clone(e.Tags)
		parts[i].Type, parts[i].ContentType, parts[i].Data = m.Type, m.ContentType, m.Data
	}
	return parts, nil
}
