package serializer

import (
	"fmt"
	"reflect"
)

// Decode returns the value that was stored: a T, where T is the type with the name or alias e.Type. The bytes are read
// by the codec of e.ContentType, whichever codec the type is written by today. e.Schema must be the registered version;
// an upcaster brings earlier ones there first.
//
// The error names e.Type and e.Schema, and wraps ErrUnknownType if that name or that version is not registered. No
// input makes Decode panic: a panic in the codec or in a method of T becomes an error.
func (r *Registry) Decode(e Encoded) (any, error) {
	t := r.published.Load()
	known, ok := t.byName[e.Type]
	if !ok || known.schema != e.Schema {
		return nil, unknown(e, known)
	}
	codec, ok := r.codecFor(known, e.ContentType)
	if !ok {
		return nil, fmt.Errorf("serializer: decode %s: no codec for content type %q; add it to Options.Codecs",
			identity(e.Type, e.Schema), e.ContentType)
	}
	v, err := known.unmarshal(codec, e.Data)
	if err != nil {
		return nil, fmt.Errorf("serializer: decode %s into %v: %w", identity(e.Type, e.Schema), known.goType, err)
	}
	return v, nil
}

// codecFor prefers the codecs that the type is written by to another one of the same content type.
func (r *Registry) codecFor(e *entry, contentType string) (Codec, bool) {
	if c := e.format.reader(contentType); c != nil {
		return c, true
	}
	return r.Codec(contentType)
}

func (e *entry) unmarshal(c Codec, data []byte) (v any, err error) {
	defer catch(&err)
	return e.decode(c, data)
}

// decodeValue is how a T that is not a pointer is read.
func decodeValue[T any](c Codec, data []byte) (any, error) {
	v := new(T)
	if err := c.Unmarshal(data, v); err != nil {
		return nil, err
	}
	return *v, nil
}

// decodePointer is how a pointer type is read: into a new element, as codecs of generated messages need it.
func decodePointer(goType reflect.Type) func(c Codec, data []byte) (any, error) {
	return func(c Codec, data []byte) (any, error) {
		v := reflect.New(goType.Elem())
		if err := c.Unmarshal(data, v.Interface()); err != nil {
			return nil, err
		}
		return v.Convert(goType).Interface(), nil
	}
}

// unknown says why there is no type for e. known is the type with that name at another version, or nil.
func unknown(e Encoded, known *entry) error {
	stored := identity(e.Type, e.Schema)
	switch {
	case known == nil:
		return fmt.Errorf("serializer: %w: nothing is registered as %s; register it, give its type an alias or add an "+
			"upcaster step", ErrUnknownType, stored)
	case e.Schema < known.schema:
		return fmt.Errorf("serializer: %w: %s, registered as %v; an upcaster step from v%d is missing",
			ErrUnknownType, stored, known, e.Schema)
	default:
		return fmt.Errorf("serializer: %w: %s, registered as %v; it was written by a later release",
			ErrUnknownType, stored, known)
	}
}
