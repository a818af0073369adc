package serializer

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Differences returns where two payloads of one registered type, in its registered version, decode to different values: the
// paths, sorted, as in "lines[0].price"; none if the values are the same. A list or a map that is empty is the same as one
// that is nil. Numbers are the same if their decimal values are: 1.50 and 15e-1, but not what a float64 alone takes for the
// same, unless a float64 is what the type has. The payloads may be of different codecs. It is an error if one of them can't be decoded.
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
	was, err1 := e.content(r, first)
	is, err2 := e.content(r, second)
	return was.differing(is), errors.Join(err1, err2)
}

// rewritten returns a payload as its type writes it today.
func (r *Registry) rewritten(e Encoded) (Encoded, error) {
	v, err := r.Decode(e)
	if err != nil {
		return Encoded{}, err
	}
	return r.Encode(v)
}

// differing returns the paths at which other has something else.
func (c content) differing(other content) (paths []string) {
	all := maps.Clone(c)
	maps.Copy(all, other)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if c.at(path) != other.at(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// at returns what stands at a path, "null" for what is missing or empty.
func (c content) at(path string) string {
	text, ok := c[path]
	if !ok || text == "[]" || text == "{}" {
		return "null"
	}
	return text
}
