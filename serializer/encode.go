package serializer

import (
	"errors"
	"fmt"
	"reflect"
)

// Encoded is a value as it is stored: what it is, and its bytes.
type Encoded struct {
	Type        string // the name it is registered under
	Schema      int
	ContentType string // of the codec that reads Data
	Data        []byte
}

// Encode returns v as it is stored, under its current name and schema version. v is a value of a registered type: a *T
// where T is registered, or the other way round, is refused. The error names the Go type, and wraps ErrUnknownType if
// that is not registered. A panic in the codec or in a method of v becomes an error.
func (r *Registry) Encode(v any) (Encoded, error) {
	t := r.published.Load()
	e, ok := t.byType[reflect.TypeOf(v)]
	if !ok {
		return Encoded{}, t.unregistered(v)
	}
	data, contentType, err := e.marshal(v)
	if err != nil {
		return Encoded{}, fmt.Errorf("serializer: encode %v as %v: %w", e.goType, e, err)
	}
	return Encoded{Type: e.name, Schema: e.schema, ContentType: contentType, Data: data}, nil
}

// Registered returns nil if v can be handed to Encode, as far as its type is concerned; else the error that Encode would
// return.
func (r *Registry) Registered(v any) error {
	t := r.published.Load()
	if _, ok := t.byType[reflect.TypeOf(v)]; !ok {
		return t.unregistered(v)
	}
	return nil
}

func (e *entry) marshal(v any) (data []byte, contentType string, err error) {
	defer catch(&err)
	p, err := e.pointer(v)
	if err != nil {
		return nil, "", err
	}
	return e.format.marshal(p)
}

// pointerTo is how a T that is not a pointer is written: through a pointer, because the codec would not find methods
// with pointer receivers otherwise, neither those of T nor those of a field such as a big.Int.
func pointerTo[T any](v any) (any, error) {
	p := new(T)
	*p = v.(T)
	return p, nil
}

// notNil is how a pointer type is written. A nil pointer could not be told from an empty element when it is read.
func notNil(null any) func(v any) (any, error) {
	return func(v any) (any, error) {
		if v == null {
			return nil, errors.New("the pointer is nil")
		}
		return v, nil
	}
}

// unregistered says what to do about a value whose type is not registered.
func (t *tables) unregistered(v any) error {
	if v == nil {
		return fmt.Errorf("serializer: %w: the value is nil", ErrUnknownType)
	}
	goType := reflect.TypeOf(v)
	if goType.Kind() == reflect.Pointer && t.byType[goType.Elem()] != nil {
		return fmt.Errorf("serializer: %w: %v is registered, %v is not; pass the value instead of the pointer",
			ErrUnknownType, goType.Elem(), goType)
	}
	if pointer := reflect.PointerTo(goType); t.byType[pointer] != nil {
		return fmt.Errorf("serializer: %w: %v is registered, %v is not; pass the pointer instead of the value",
			ErrUnknownType, pointer, goType)
	}
	return fmt.Errorf("serializer: %w: %v is not registered; add serializer.Register[%v](registry, name)",
		ErrUnknownType, goType, goType)
}
