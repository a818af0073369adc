package privacy

import (
	"fmt"
	"reflect"
	"strings"
)

// opaque reports whether a type writes itself, so that its fields don't show what is written.
func opaque(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	for _, method := range []string{"MarshalJSON", "MarshalJSONTo", "MarshalText"} {
		if _, ok := pointer.MethodByName(method); ok && t.Kind() != reflect.Interface {
			return true
		}
	}
	return false
}

// checkOpaque refuses tags that would do nothing.
func checkOpaque(t reflect.Type) error {
	if !tagged(t, map[reflect.Type]bool{}) {
		return nil
	}
	return fmt.Errorf("%v has %s tags in it and a method that writes it in a way of its own, so that they would do nothing: "+
		"tag the fields of this type as personal, or give the registered type the methods of Personal", t, tagName)
}

// tagged reports whether there is a privacy tag anywhere in a type.
func tagged(t reflect.Type, seen map[reflect.Type]bool) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return tagged(t.Elem(), seen)
	case reflect.Struct:
	default:
		return false
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	for i := range t.NumField() {
		if _, ok := t.Field(i).Tag.Lookup(tagName); ok || tagged(t.Field(i).Type, seen) {
			return true
		}
	}
	return false
}

// writtenName returns the name under which encoding/json writes a field, and whether it does at all. The name of an
// embedded struct, whose fields stand in its place, is empty.
func writtenName(f reflect.StructField) (name string, written bool) {
	jsonTag := f.Tag.Get("json")
	name, _, _ = strings.Cut(jsonTag, ",")
	embedded := f.Type
	if embedded.Kind() == reflect.Pointer {
		embedded = embedded.Elem()
	}
	inline := f.Anonymous && embedded.Kind() == reflect.Struct && !opaque(embedded)
	switch {
	case jsonTag == "-", !f.IsExported() && !inline:
		return "", false
	case name == "" && inline:
		return "", true
	case name == "":
		return f.Name, true
	default:
		return name, f.IsExported()
	}
}
