package eventstore

import (
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// handled reports whether upcasters take what is stored under a name and a schema version, and as what: steps may be
// written with the current name or with the alias.
func (s *Store) handled(name string, schema int) (upcaster.Type, bool) {
	chain, stored := s.opts.Upcasters, upcaster.V(name, schema)
	if chain == nil || chain.Handles(stored) {
		return stored, chain != nil
	}
	current, _, ok := s.reg.Current(name)
	stored.Name = current
	return stored, ok && chain.Handles(stored)
}

// upcast returns what e, which is handled, is read as. Nothing is an empty slice.
func (s *Store) upcast(e upcaster.Event) ([]upcaster.Event, error) {
	parts, err := s.opts.Upcasters.Upcast(e, s.codec)
	if parts == nil {
		parts = []upcaster.Event{}
	}
	return parts, err
}

func (s *Store) codec(contentType string) (upcaster.Codec, bool) { return s.reg.Codec(contentType) }

// forward returns what e is read as today, handled or not, under current names.
func (s *Store) forward(e upcaster.Event) ([]upcaster.Event, error) {
	parts := []upcaster.Event{e}
	if stored, ok := s.handled(e.Name, e.Schema); ok {
		var err error
		e.Type = stored
		if parts, err = s.upcast(e); err != nil {
			return nil, err
		}
	}
	for i := range parts {
		if current, _, ok := s.reg.Current(parts[i].Name); ok {
			parts[i].Name = current
		}
	}
	return parts, nil
}

// asUpcaster returns what upcasters see of an event. Its type is the stored one, or what handled made of that.
func (e *Event) asUpcaster(stored upcaster.Type) upcaster.Event {
	return upcaster.Event{Type: stored, ContentType: e.ContentType, Data: e.Raw, Metadata: e.Metadata, Tags: e.Tags,
		RecordedAt: e.RecordedAt, ID: e.ID, StreamType: e.Stream.Type, StreamID: e.Stream.ID, Version: e.Version,
		Position: e.Position}
}

// beforeStored returns what upcasters see of an event that has no place yet, without its metadata.
func beforeStored(stream StreamID, e *driver.Event) upcaster.Event {
	return upcaster.Event{Type: upcaster.V(e.Type, e.Schema), ContentType: e.ContentType, Data: e.Data, Tags: e.Tags,
		RecordedAt: e.RecordedAt, ID: e.ID, StreamType: stream.Type, StreamID: stream.ID}
}

func encodedOf(e *upcaster.Event) serializer.Encoded {
	return serializer.Encoded{Type: e.Name, Schema: e.Schema, ContentType: e.ContentType, Data: e.Data}
}
