package serializer

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// specimens are the values that samples are written from.
type specimens map[reflect.Type]any

// newSpecimens takes the values in that the user gave.
func newSpecimens(t *tables, given []any) (specimens, error) {
	values := specimens{}
	for i, v := range given {
		goType := reflect.TypeOf(v)
		if t.byType[goType] == nil {
			return nil, fmt.Errorf("serializer: CheckOptions.Samples[%d]: %w", i, t.unregistered(v))
		}
		if values[goType] != nil {
			return nil, fmt.Errorf("serializer: CheckOptions.Samples[%d] is the second value of %v", i, goType)
		}
		values[goType] = v
	}
	return values, nil
}

// encode returns the sample that today's code writes for a type, having made sure that it is read again.
func (s specimens) encode(e *entry) (Encoded, error) {
	v, given := s[e.goType]
	if !given {
		made := reflect.New(e.goType).Elem()
		fill(made, nil)
		v = made.Interface()
	}
	data, contentType, err := e.marshal(v)
	if err == nil {
		_, err = e.unmarshal(e.format.reader(contentType), data)
	}
	switch {
	case err != nil && given:
		return Encoded{}, fmt.Errorf("sample of %v: %w", e, err)
	case err != nil:
		return Encoded{}, fmt.Errorf("sample of %v that was made up: %w; give a %v that can be written and read in "+
			"CheckOptions.Samples", e, err, e.goType)
	}
	return Encoded{Type: e.name, Schema: e.schema, ContentType: contentType, Data: data}, nil
}

// fill gives v, and whatever can be set within it, a value other than zero that depends on its type alone, so that a Go
// field can be renamed. within are the types that v stands in: one that contains itself ends there.
func fill(v reflect.Value, within []reflect.Type) {
	t := v.Type()
	if t == reflect.TypeFor[time.Time]() && v.CanSet() {
		v.Set(reflect.ValueOf(time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)))
		return
	}
	if !v.CanSet() && t.Kind() != reflect.Struct || slices.Contains(within, t) || writesItself(t) {
		return
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			fill(v.Field(i), within)
		}
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		fill(v.Elem(), within)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
		fill(v.Index(0), within)
	case reflect.Array:
		for i := range t.Len() {
			fill(v.Index(i), within)
		}
	case reflect.Map:
		fillMap(v, within)
	default:
		fillScalar(v)
	}
}

func fillMap(v reflect.Value, within []reflect.Type) {
	key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
	fill(key, within)
	fill(value, within)
	v.Set(reflect.MakeMap(v.Type()))
	v.SetMapIndex(key, value)
}

// fillScalar leaves interfaces, functions and channels nil.
func fillScalar(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.CanFloat():
		v.SetFloat(1.5)
	case v.Kind() == reflect.String:
		v.SetString("text")
	}
}

// writesItself reports whether a type has methods that decide how it is written: which values they take is not known,
// except that they should take the zero value.
func writesItself(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		return false // what it points to may
	}
	for _, method := range []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.BinaryMarshaler](),
	} {
		if t.Implements(method) || reflect.PointerTo(t).Implements(method) {
			return true
		}
	}
	return false
}
