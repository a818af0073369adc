package serializer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrUnknownType is wrapped by the error for a Go type, a name or a schema version that is not registered.
var ErrUnknownType = errors.New("unknown type")

// Options change what a registry does. The zero value and nil mean the defaults.
type Options struct {
	// Codec writes the types that are registered without WithCodec. Default: JSON().
	Codec Codec
	// Codecs are for reading only: they keep events readable whose codec no type uses any longer. JSON and the codecs
	// in use need not be listed. Default: none.
	Codecs []Codec
}

// Registry knows the registered types. Make one with NewRegistry, register everything, then hand it to eventstore.New.
// It is safe for concurrent use.
type Registry struct {
	codec format // of types without one of their own

	registering sync.Mutex
	published   atomic.Pointer[tables]
}

// tables are never changed once they are published: registering replaces them with a changed copy, so that encoding and
// decoding take no lock.
type tables struct {
	byType   map[reflect.Type]*entry
	byName   map[string]*entry // aliases included
	codecs   map[string]Codec  // by content type
	mistakes []error
}

// entry is one registered type.
type entry struct {
	name    string
	aliases []string
	schema  int
	format  format
	goType  reflect.Type
	zero    any                      // of the Go type
	pointer func(v any) (any, error) // what a codec is given to write v
	decode  func(c Codec, data []byte) (any, error)
}

// NewRegistry returns an empty registry. A mistake in opts is reported by Err.
func NewRegistry(opts *Options) *Registry {
	opts = cmp.Or(opts, &Options{})
	t := &tables{byType: map[reflect.Type]*entry{}, byName: map[string]*entry{}, codecs: map[string]Codec{}}
	r := &Registry{}
	r.codec = t.addCodec("Options.Codec", cmp.Or(opts.Codec, JSON()))
	for i, c := range opts.Codecs {
		t.addCodec(fmt.Sprintf("Options.Codecs[%d]", i), c)
	}
	r.published.Store(t)
	return r
}

// addCodec takes a codec of the options in, or keeps the mistake and goes on with JSON.
func (t *tables) addCodec(option string, c Codec) format {
	f, err := formatOf(c)
	if err != nil {
		t.mistakes = append(t.mistakes, fmt.Errorf("serializer: %s: %w", option, err))
		return format{codec: JSON(), contentType: contentTypeJSON}
	}
	t.addFormat(f)
	return f
}

// addFormat has a codec and those that it writes by read their content types, unless one does already.
func (t *tables) addFormat(f format) {
	for _, each := range append([]format{f}, f.others...) {
		if _, taken := t.codecs[each.contentType]; !taken {
			t.codecs[each.contentType] = each.codec
		}
	}
}

// clone returns a copy that may be changed.
func (t *tables) clone() *tables {
	return &tables{
		byType:   maps.Clone(t.byType),
		byName:   maps.Clone(t.byName),
		codecs:   maps.Clone(t.codecs),
		mistakes: slices.Clone(t.mistakes),
	}
}

// Err returns all mistakes that were made so far, each with the name and the Go type it is about, or nil if there are
// none. A type whose registration was a mistake is not registered.
func (r *Registry) Err() error { return errors.Join(r.published.Load().mistakes...) }

// Current returns the name and the schema version under which a type is stored today. name is that name or an alias of
// it; ok is false if it is neither.
func (r *Registry) Current(name string) (canonical string, schema int, ok bool) {
	e, ok := r.published.Load().byName[name]
	if !ok {
		return "", 0, false
	}
	return e.name, e.schema, true
}

// Aliases returns the earlier names of a registered type, sorted; none if canonical is not a registered type's name.
func (r *Registry) Aliases(canonical string) []string {
	e, ok := r.published.Load().byName[canonical]
	if !ok || e.name != canonical {
		return nil
	}
	return slices.Clone(e.aliases)
}

// Codec returns the codec that reads a content type; ok is false if there is none. If several have this content type,
// it is the first of Options.Codec, Options.Codecs, those of WithCodec in order of registration, and JSON().
func (r *Registry) Codec(contentType string) (c Codec, ok bool) {
	if c, ok = r.published.Load().codecs[contentType]; ok {
		return c, true
	}
	if contentType == contentTypeJSON {
		return JSON(), true
	}
	return nil, false
}

// Names returns the names, sorted and without aliases, of the registered types that are T or, if T is an interface,
// implement it.
func Names[T any](r *Registry) []string {
	var names []string
	for _, e := range r.published.Load().byType {
		if _, ok := e.zero.(T); ok {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return names
}

// String returns name and version as they stand in error messages.
func (e *entry) String() string { return identity(e.name, e.schema) }

func identity(name string, schema int) string { return fmt.Sprintf("%s v%d", name, schema) }
