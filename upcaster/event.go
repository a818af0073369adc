package upcaster

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Type is a stored identity: the name of an event and the schema version of its payload.
type Type struct {
	Name   string
	Schema int
}

// V returns the identity of a name at a schema version.
func V(name string, schema int) Type { return Type{Name: name, Schema: schema} }

// String returns name and version, as in "order.placed v1".
func (t Type) String() string { return fmt.Sprintf("%s v%d", t.Name, t.Schema) }

// check applies the rules that the registry has for names and versions.
func (t Type) check() error {
	switch {
	case t.Name == "":
		return errors.New("has no name")
	case len(t.Name) > 255:
		return fmt.Errorf("has a name of %d bytes; 255 are the most", len(t.Name))
	case !utf8.ValidString(t.Name):
		return errors.New("has a name that is not valid UTF-8")
	case strings.ContainsRune(t.Name, 0):
		return errors.New("has a name that contains NUL")
	case t.Schema < 1:
		return errors.New("has a version below 1")
	default:
		return nil
	}
}

// Event is what a step sees of a stored event, and what it makes of it. A step can change Type, ContentType, Data and
// Metadata; the rest of what it returns is ignored.
type Event struct {
	Type
	ContentType string
	Data        []byte // the payload in the format of ContentType
	Metadata    map[string]string
	Tags        []string
	RecordedAt  time.Time
}

// Codec reads and writes payloads in one format. Both methods are given a pointer. Every serializer.Codec is one.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}
