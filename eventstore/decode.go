package eventstore

import (
	"errors"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// decoding is how one read turns stored records into events. It is the only way from a record to an event, so that
// every read path sees the same.
type decoding struct {
	store *Store
	raw   bool
	types map[string]bool // keep only these names: current ones or, with raw, stored ones; nil keeps all
	only  func(stream StreamID, position int64) bool

	room    []Event         // for the events of the page in hand
	damaged map[int64]error // by position: what the Protector could not reveal of the page in hand
}

// decoder decodes one record after the other. It is one goroutine's.
type decoder struct {
	*decoding
	metadata metadataDecoder
}

// events appends to out the events that rec stands for: one, unless an upcaster splits or drops it. With an error it appends
// none: a reader who got a part would go on behind the position, and never see the others.
func (d *decoder) events(out []Event, rec *driver.Record) ([]Event, error) {
	if err := d.damaged[rec.Position]; err != nil {
		return out, decodeError(rec, err)
	}
	md, err := d.metadata.decode(rec.Metadata)
	if err != nil {
		return out, decodeError(rec, err)
	}
	stored := Event{Position: rec.Position, Version: rec.Version, Stream: rec.Stream, ID: rec.ID, Type: rec.Type,
		Schema: rec.Schema, ContentType: rec.ContentType, Raw: rec.Data, Metadata: md, Tags: rec.Tags,
		RecordedAt: rec.RecordedAt}
	if d.raw {
		if d.types != nil && !d.types[rec.Type] {
			return out, nil
		}
		return append(out, stored), nil
	}
	parts, err := d.upcast(&stored)
	if err != nil {
		return out, decodeError(rec, err)
	}
	if parts == nil {
		return d.part(out, rec, stored)
	}
	before := len(out)
	for i, p := range parts {
		e := stored
		e.Part, e.Type, e.Schema, e.ContentType, e.Raw, e.Metadata = i, p.Name, p.Schema, p.ContentType, p.Data, p.Metadata
		if out, err = d.part(out, rec, e); err != nil {
			return out[:before], err
		}
	}
	return out, nil
}

// upcast returns nil if no step knows the event.
func (d *decoding) upcast(e *Event) ([]upcaster.Event, error) {
	stored, ok := d.store.handled(e.Type, e.Schema)
	if !ok {
		return nil, nil
	}
	return d.store.upcast(e.asUpcaster(stored))
}

// part decodes one event unless the filter has no use for it.
func (d *decoding) part(out []Event, rec *driver.Record, e Event) ([]Event, error) {
	if current, _, ok := d.store.reg.Current(e.Type); ok {
		e.Type = current
	}
	if d.types != nil && !d.types[e.Type] {
		return out, nil
	}
	var err error
	e.Payload, err = d.store.reg.Decode(serializer.Encoded{Type: e.Type, Schema: e.Schema, ContentType: e.ContentType,
		Data: e.Raw})
	if err != nil {
		return out, decodeError(rec, err)
	}
	return append(out, e), nil
}

func decodeError(rec *driver.Record, err error) error {
	if errors.Is(err, serializer.ErrUnknownType) {
		err = &unknownEvent{err}
	}
	return &DecodeError{Stream: rec.Stream, Version: rec.Version, Position: rec.Position, Type: rec.Type,
		Schema: rec.Schema, Err: err}
}
