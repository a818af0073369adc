package serializer

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// Register has values of type T stored under a name: Encode takes a T, and Decode returns one. T may be a pointer type,
// but not an interface. Name and schema version (1, unless Version says otherwise) identify what is stored for as long
// as it exists. The name is non-empty UTF-8 without NUL, at most 255 bytes, as in "order.placed".
//
// A mistake, such as a name or a type that is registered already, is kept for [Registry.Err].
func Register[T any](r *Registry, name string, opts ...Option) {
	var zero T
	e := &entry{
		name:    name,
		schema:  1,
		format:  r.codec,
		goType:  reflect.TypeFor[T](),
		zero:    zero,
		pointer: pointerTo[T],
		decode:  decodeValue[T],
	}
	if e.goType.Kind() == reflect.Pointer {
		e.pointer, e.decode = notNil(zero), decodePointer(e.goType)
	}
	r.register(e, opts)
}

// Option changes how one type is registered.
type Option func(*registration)

// registration is an entry on its way into the tables.
type registration struct {
	*entry
	mistakes []error
}

// Version sets the schema version under which a type is written, and the only one that Decode accepts: 1 or more.
// Default: 1. Raise it with every change that a reader of older payloads would not understand, and add an upcaster
// step from the version before.
func Version(n int) Option {
	return func(reg *registration) { reg.schema = n }
}

// Alias has events that were stored under an earlier name read as this type. Both names share one history of schema
// versions. New events are written under the current name.
func Alias(oldName string) Option {
	return func(reg *registration) { reg.aliases = append(reg.aliases, oldName) }
}

// WithCodec has this type written by c instead of the registry's codec. Events that were written before keep being
// read by the codec that their content type asks for.
func WithCodec(c Codec) Option {
	return func(reg *registration) {
		f, err := formatOf(c)
		if err != nil {
			reg.mistakes = append(reg.mistakes, err)
			return
		}
		reg.format = f
	}
}

// register publishes the tables with e in them, or with its mistakes.
func (r *Registry) register(e *entry, opts []Option) {
	reg := &registration{entry: e}
	for _, opt := range opts {
		opt(reg)
	}
	slices.Sort(reg.aliases)

	r.registering.Lock()
	defer r.registering.Unlock()
	next := r.published.Load().clone()
	mistakes := append(reg.mistakes, next.check(e)...)
	for _, err := range mistakes {
		next.mistakes = append(next.mistakes, fmt.Errorf("serializer: register %q for %v: %w", e.name, e.goType, err))
	}
	if len(mistakes) == 0 {
		next.add(e)
	}
	r.published.Store(next)
}

// check returns what is wrong with an entry.
func (t *tables) check(e *entry) (mistakes []error) {
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if e.schema < 1 {
		mistake("schema version %d is below 1", e.schema)
	}
	if e.goType.Kind() == reflect.Interface {
		mistake("it is an interface; register the types that implement it")
	}
	if other, taken := t.byType[e.goType]; taken {
		mistake("the type is registered already, as %q", other.name)
	}
	return append(mistakes, t.checkNames(e)...)
}

// checkNames returns what is wrong with an entry's name and aliases.
func (t *tables) checkNames(e *entry) (mistakes []error) {
	names := append([]string{e.name}, e.aliases...)
	for i, name := range names {
		if err := checkName(name); err != nil {
			mistakes = append(mistakes, fmt.Errorf("name %q %w", name, err))
		}
		if other, taken := t.byName[name]; taken {
			mistakes = append(mistakes, fmt.Errorf("name %q is taken by %v", name, other.goType))
		}
		if slices.Contains(names[:i], name) {
			mistakes = append(mistakes, fmt.Errorf("name %q is given twice", name))
		}
	}
	return mistakes
}

// checkName applies the rule for what drivers can store.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > 255:
		return fmt.Errorf("has %d bytes; 255 are the most", len(name))
	case !utf8.ValidString(name):
		return errors.New("is not valid UTF-8")
	case strings.ContainsRune(name, 0):
		return errors.New("contains NUL")
	default:
		return nil
	}
}

// add takes a checked entry in.
func (t *tables) add(e *entry) {
	t.byType[e.goType] = e
	t.byName[e.name] = e
	for _, alias := range e.aliases {
		t.byName[alias] = e
	}
	t.addFormat(e.format)
}
