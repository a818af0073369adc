package eventstore

import (
	"time"

	"github.com/google/uuid"
)

// NewEvent is an event to append. Payload is a value of a type that is registered with the store's serializer.
//
// ID makes a retry safe: an append of ids that the stream holds already stores nothing and returns the first receipt.
// The zero ID is replaced by a new UUIDv7. Metadata is laid over the context's (see WithMetadata). Tags are stored and
// returned in their order, each under the rules of a stream's id.
type NewEvent struct {
	ID       uuid.UUID
	Payload  any
	Metadata Metadata
	Tags     []string
}

// Events wraps payloads that need neither an id of their own nor metadata nor tags.
func Events(payloads ...any) []NewEvent {
	events := make([]NewEvent, len(payloads))
	for i, p := range payloads {
		events[i].Payload = p
	}
	return events
}

// Event is an event as it is read back. Type, Schema, ContentType and Raw are what the upcasters made of the stored
// event and what Payload was decoded from; with ReadOptions.Raw or StreamOptions.Raw they are as stored, and Payload
// is nil. Position, Version, Stream, ID, Tags and RecordedAt are always the stored ones.
type Event struct {
	Position    int64 // in the global log: 1-based, growing, with gaps
	Version     int64 // in the stream: 1-based, without gaps
	Part        int   // counts, from 0, the events that an upcaster made of one stored event
	Stream      StreamID
	ID          uuid.UUID
	Type        string
	Schema      int
	ContentType string
	Payload     any
	Raw         []byte
	Metadata    Metadata
	Tags        []string
	RecordedAt  time.Time // UTC, whole microseconds
}
