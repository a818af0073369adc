package serializer

import (
	"cmp"
	"reflect"
	"slices"
)

// Types returns the registered Go types, in the order of the names that they are stored under. It is for packages that
// look at struct tags.
func (r *Registry) Types() []reflect.Type {
	t := r.published.Load()
	types := make([]reflect.Type, 0, len(t.byType))
	for goType := range t.byType {
		types = append(types, goType)
	}
	slices.SortFunc(types, func(a, b reflect.Type) int { return cmp.Compare(t.byType[a].name, t.byType[b].name) })
	return types
}
