package privacy

import (
	"fmt"
	"reflect"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Subject is implemented by a registered type whose personal fields all belong to one person. A field that is tagged
// `privacy:"subject"` goes before it, for the struct that it stands in and what is in that.
type Subject interface {
	// PrivacySubject names the person: not empty, at most 255 bytes of UTF-8, no NUL. It is stored in plain, so it
	// must not itself say who that is: a number, not an e-mail address.
	PrivacySubject() string
}

// Personal is implemented by a registered type that is sealed as a whole.
type Personal interface {
	Subject
	// Redacted returns what is read in its place once the subject is forgotten: a value of the same type. It is stored
	// in plain, beside what is sealed.
	Redacted() any
}

// shape is what is known of a registered type.
type shape struct {
	plan    *plan // of its personal fields; nil if it has none
	whole   bool  // it is Personal
	subject bool  // it is a Subject
}

// personal reports whether anything in the type is.
func (s shape) personal() bool { return s.whole || s.plan != nil }

// scan finds what is to be replaced in a value's JSON.
func (s shape) scan(text []byte, value any) (places []place, err error) {
	subject := ""
	if s.subject {
		if subject, err = subjectBy(value); err != nil {
			return nil, err
		}
	}
	return scan(text, s.plan, subject)
}

// shapeOf looks at a Go type once.
func (v *Vault) shapeOf(t reflect.Type) (shape, error) {
	if known, ok := v.shapes.Load(t); ok {
		return known.(shape), nil
	}
	methods := t
	if t.Kind() != reflect.Pointer {
		methods = reflect.PointerTo(t)
	}
	s := shape{whole: methods.Implements(reflect.TypeFor[Personal]()), subject: methods.Implements(reflect.TypeFor[Subject]())}
	if !s.whole {
		var err error
		if s.plan, err = planOf(t, s.subject); err != nil {
			return s, fmt.Errorf("%v: %w", t, err)
		}
		if s.subject && s.plan == nil {
			return s, fmt.Errorf("%v has a method PrivacySubject and nothing personal: tag fields with `privacy:\"personal\"`, "+
				"or add a method Redacted to have all of it sealed", t)
		}
	}
	v.shapes.Store(t, s)
	return s, nil
}

// methodsOf returns a value as what has its type's methods, those of the pointer included.
func methodsOf[T any](value any) T {
	if has, ok := value.(T); ok {
		return has
	}
	return pointerTo(value).(T)
}

// bindingOf returns what everything that is sealed in a payload is bound to: all that is known of it before it is
// stored, and can't change after.
func bindingOf(p *eventstore.Payload, contentType string) binding {
	kind := "event"
	if p.Version > 0 {
		kind = "snapshot"
	}
	return binding(nil).text("tidemark " + kind).text(p.Stream.Type).text(p.Stream.ID).text(string(p.ID[:])).number(p.Version).
		text(p.Type).number(int64(p.Schema)).text(contentType)
}
