package upcaster

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
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
// Metadata. The rest is for looking only: whatever a step does to it, the steps after it see what is stored.
//
// Snapshots are carried forward too. They have no ID, Position, Metadata and Tags. In [Downcasts] an event has neither Version
// nor Position, for it is not stored yet; a snapshot has its Version there as well.
type Event struct {
	Type
	ContentType string
	Data        []byte // the payload in the format of ContentType
	Metadata    map[string]string

	Tags       []string
	RecordedAt time.Time
	ID         uuid.UUID
	StreamType string // as "order"
	StreamID   string // the ID in a stream's name, as "42"
	Version    int64
	Position   int64
}

// Codec reads and writes payloads in one format. Both methods are given a pointer. Every serializer.Codec is one.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// clone returns a copy of e that shares no memory with it and whose metadata can be added to.
func (e Event) clone() Event {
	e.Data = bytes.Clone(e.Data)
	e.Tags = slices.Clone(e.Tags)
	if e.Metadata = maps.Clone(e.Metadata); e.Metadata == nil {
		e.Metadata = map[string]string{}
	}
	return e
}

// withMetadata returns e with a copy of other metadata, nil if that is empty.
func (e Event) withMetadata(md map[string]string) Event {
	e.Metadata = nil
	if len(md) > 0 {
		e.Metadata = maps.Clone(md)
	}
	return e
}

// rewritten returns e with another type and payload.
func (e Event) rewritten(to Type, c Codec, payload any) ([]Event, error) {
	data, err := c.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("write the payload: %w", err)
	}
	e.Type, e.Data = to, data
	return []Event{e}, nil
}
