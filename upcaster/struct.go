package upcaster

import "fmt"

// Struct reads the payload into an Old and writes the New that f makes of it, both through the codec of the event's
// content type. Keep the old struct for it as it was; fields that Old does not have are lost.
//
// The codec is given a *Old and a *New. Where Old is itself a pointer, as those to generated messages are, the codec is to make
// the element that it points to, as encoding/json and codecs/protobuf do.
func Struct[Old, New any](from, to Type, f func(Old) (New, error)) Step {
	if f == nil {
		return structStep[Old, New](from, to, nil)
	}
	return structStep(from, to, func(_ *Event, old Old) (New, error) { return f(old) })
}

// StructWith is Struct for a function that looks at more of the event than its payload, or moves something from or to its
// metadata. f is given a copy of the event; what it leaves in e.Metadata, which is never nil, is kept, and nothing else.
func StructWith[Old, New any](from, to Type, f func(e *Event, old Old) (New, error)) Step {
	if f == nil {
		return structStep[Old, New](from, to, nil)
	}
	return structStep(from, to, func(e *Event, old Old) (New, error) {
		seen := e.clone()
		updated, err := f(&seen, old)
		*e = e.withMetadata(seen.Metadata)
		return updated, err
	})
}

// structStep has f change nothing but the metadata of e.
func structStep[Old, New any](from, to Type, f func(e *Event, old Old) (New, error)) Step {
	step := Step{from: from, to: []Type{to}, codec: true}
	if f == nil {
		return step
	}
	step.apply = func(e Event, c Codec) ([]Event, error) {
		var old Old
		if err := c.Unmarshal(e.Data, &old); err != nil {
			return nil, fmt.Errorf("read the payload: %w", err)
		}
		updated, err := f(&e, old)
		if err != nil {
			return nil, err
		}
		return e.rewritten(to, c, &updated)
	}
	return step
}
