package serializer

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Differences returns where two payloads of one registered type, in its registered version, decode to different values: the
// paths, sorted, as in "lines[0].price"; none if the values are the same. A key with a dot or a bracket is quoted, as in
// `prices["1.5"]`. The payloads may be of different codecs. It is an error if one of them can't be decoded.
//
// A list or a map that is empty is the same as one that is nil or left out. Numbers are the same if their decimal values are,
// as 1.50 and 15e-1, with all the digits that the type keeps.
func (r *Registry) Differences(a, b Encoded) ([]string, error) {
	first, err1 := r.rewritten(a)
	second, err2 := r.rewritten(b)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if first.Type != second.Type {
		return nil, fmt.Errorf("serializer: compare %s with %s: they are of two types", first.Type, second.Type)
	}
	if bytes.Equal(first.Data, second.Data) {
		return nil, nil
	}
	e := r.published.Load().byName[first.Type]
	was, err1 := e.tree(r, first)
	is, err2 := e.tree(r, second)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	paths := differing("", was, is)
	slices.Sort(paths)
	return paths, nil
}

// rewritten returns a payload as its type writes it today.
func (r *Registry) rewritten(e Encoded) (Encoded, error) {
	v, err := r.Decode(e)
	if err != nil {
		return Encoded{}, err
	}
	return r.Encode(v)
}

// absence stands for what one of two payloads has not.
type absence string

const (
	missing absence = "missing" // where nothing is left out
	omitted absence = "omitted" // as a field may be that is empty
)

// differing returns the paths at which two values differ.
func differing(path string, a, b any) (paths []string) {
	first, second := parts(a), parts(b)
	if len(first) == 0 && len(second) == 0 {
		if !alike(a, b) {
			paths = append(paths, shown(path))
		}
		return paths
	}
	if isScalar(a) || isScalar(b) {
		paths = append(paths, shown(path))
	}
	steps := maps.Clone(first)
	maps.Copy(steps, second)
	for step := range steps {
		paths = append(paths, differing(path+step, partOf(a, first, step, b), partOf(b, second, step, a))...)
	}
	return paths
}

// partOf returns the part of a value at a step, or what its absence means when other has one. Only of an object is
// something left out because it is empty.
func partOf(v any, within map[string]any, step string, other any) any {
	if part, ok := within[step]; ok {
		return part
	}
	if isObject(other) && (isObject(v) || v == omitted) {
		return omitted
	}
	return missing
}

func isObject(v any) bool {
	switch v.(type) {
	case map[string]any, map[any]any:
		return true
	}
	return false
}

func isList(v any) bool {
	_, ok := v.([]any)
	return ok
}

// isScalar reports whether v is something that has no parts by its nature.
func isScalar(v any) bool {
	_, absent := v.(absence)
	return v != nil && !absent && !isObject(v) && !isList(v)
}

// alike compares values without parts. A list or an object is empty then.
func alike(a, b any) bool {
	if isObject(a) || isList(a) || isObject(b) || isList(b) {
		return !isScalar(a) && !isScalar(b) && a != missing && b != missing
	}
	return leafText(a) == leafText(b)
}
