package upcaster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Map reads the payload into a map, has f edit it in place, and writes it back, both through the codec of the event's
// content type. The payload must be an object; null is none. Numbers of a JSON payload are json.Number at every depth,
// so that all their digits survive.
//
// For that the codec is given a pointer to a map[string]any that implements json.Unmarshaler.
func Map(from, to Type, f func(fields map[string]any) error) Step {
	if f == nil {
		return mapStep(from, to, nil)
	}
	return mapStep(from, to, func(_ *Event, fields map[string]any) error { return f(fields) })
}

// MapWith is Map for a function that looks at more of the event than its payload, or moves something from or to its
// metadata. f is given a copy of the event; what it leaves in e.Metadata, which is never nil, is kept, and nothing else.
func MapWith(from, to Type, f func(e *Event, fields map[string]any) error) Step {
	if f == nil {
		return mapStep(from, to, nil)
	}
	return mapStep(from, to, func(e *Event, fields map[string]any) error {
		seen := e.clone()
		err := f(&seen, fields)
		*e = e.withMetadata(seen.Metadata)
		return err
	})
}

// mapStep has f change nothing but the metadata of e.
func mapStep(from, to Type, f func(e *Event, fields map[string]any) error) Step {
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
		if err := f(&e, fields); err != nil {
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
