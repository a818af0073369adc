package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// Protector keeps what nobody else may read out of the database in plain. Package privacy has one, which encrypts
// personal data and can forget a person. It stands between the store and its driver: what is written was encoded before
// it is protected, what is read is revealed before upcasters see it. Reads with Raw are not revealed.
//
// It is called by many goroutines at once, with the context of the call that writes or reads. A panic in it becomes the error
// of that call.
type Protector interface {
	// Protect is called once for each append, with all of its events, and once for each snapshot. It replaces Data, and
	// ContentType where it must, by what is to be stored. An error fails the append, of which nothing is written.
	Protect(ctx context.Context, payloads []Payload) error
	// Reveal is called once for each page that is read, with what is stored, and restores what Protect was given. It
	// neither changes nor keeps the bytes of Data, but replaces the slice. Where it may not restore a part any more, it
	// puts something harmless in its place and sets Redacted.
	//
	// A payload that is damaged gets an Err, and reading ends there. An error that is returned is about the Protector
	// itself, as when it can't reach its keys, and fails the whole read.
	Reveal(ctx context.Context, payloads []Payload) error
}

// Payload is what a Protector sees of one event or snapshot. Stream, ID, Version and what Protect made of Encoded are the
// same when it is revealed.
type Payload struct {
	Stream  StreamID
	ID      uuid.UUID // the event's; zero for a snapshot
	Version int64     // the snapshot's; 0 for an event, whose version is not known before it is stored
	Value   any       // what was encoded; nil in Reveal
	serializer.Encoded
	// Downcast turns what a value of this type is encoded to into what is stored of it, and was done to Value already. It
	// is nil if that is stored as it is, and in Reveal.
	Downcast func(serializer.Encoded) (serializer.Encoded, error)

	Redacted bool  // set by Reveal
	Err      error // set by Reveal
}

// guarded is a Protector whose panics are errors, as those of codecs and upcasters are: not every call of it is made by a
// goroutine of its user.
type guarded struct{ of Protector }

// Protect implements Protector.
func (g guarded) Protect(ctx context.Context, payloads []Payload) (err error) {
	defer catch(&err)
	return g.of.Protect(ctx, payloads)
}

// Reveal implements Protector.
func (g guarded) Reveal(ctx context.Context, payloads []Payload) (err error) {
	defer catch(&err)
	return g.of.Reveal(ctx, payloads)
}

// catch turns a panic of the user's code into an error.
func catch(err *error) {
	switch p := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("panic: %w", p)
	default:
		*err = fmt.Errorf("panic: %v", p)
	}
}

// protect has the Protector take its part in prepared writes.
func (s *Store) protect(ctx context.Context, writes []Write, prepared []driver.Write, downcasts map[uuid.UUID]downcastFunc) error {
	if s.opts.Protector == nil {
		return nil
	}
	var payloads []Payload
	for i, w := range prepared {
		for j, e := range w.Events {
			payloads = append(payloads, Payload{Stream: w.Stream, ID: e.ID, Value: writes[i].Events[j].Payload,
				Encoded: encodedEvent(&e), Downcast: downcasts[e.ID]})
		}
	}
	if len(payloads) == 0 {
		return nil
	}
	if err := s.opts.Protector.Protect(ctx, payloads); err != nil {
		return fmt.Errorf("eventstore: append to %s: %w", names(prepared), err)
	}
	for _, w := range prepared {
		for j := range w.Events {
			w.Events[j].ContentType, w.Events[j].Data = payloads[0].ContentType, payloads[0].Data
			payloads = payloads[1:]
		}
	}
	return nil
}

// reveal turns what stands in a page back into what was written. A record that can't be revealed is remembered for when
// its turn comes, so that the ones before it are handed out.
func (d *decoding) reveal(ctx context.Context, page []driver.Record) error {
	d.damaged = nil
	if d.raw || d.store.opts.Protector == nil || len(page) == 0 {
		return nil
	}
	payloads := make([]Payload, len(page))
	for i := range page {
		payloads[i] = Payload{Stream: page[i].Stream, ID: page[i].ID, Encoded: encodedEvent(&page[i].Event)}
	}
	if err := d.store.opts.Protector.Reveal(ctx, payloads); err != nil {
		return fmt.Errorf("eventstore: read protected events: %w", err)
	}
	for i := range page {
		if err := payloads[i].Err; err != nil {
			if d.damaged == nil {
				d.damaged = map[int64]error{}
			}
			d.damaged[page[i].Position] = err
		}
		page[i].ContentType, page[i].Data = payloads[i].ContentType, payloads[i].Data
	}
	return nil
}

// revealRetry makes the events of a call that may be a retry comparable with those that are stored: what protects them
// is different each time.
func (s *Store) revealRetry(ctx context.Context, writes []driver.Write, stored []driver.Record) error {
	d := decoding{store: s}
	for _, w := range writes {
		tried := make([]driver.Record, len(w.Events))
		for i, e := range w.Events {
			tried[i] = driver.Record{Stream: w.Stream, Event: e}
		}
		if err := d.reveal(ctx, tried); err != nil {
			return err
		}
		for i := range tried {
			w.Events[i].ContentType, w.Events[i].Data = tried[i].ContentType, tried[i].Data
		}
	}
	if err := d.reveal(ctx, stored); err != nil {
		return err
	}
	for i := range stored {
		if err := d.damaged[stored[i].Position]; err != nil {
			return decodeError(&stored[i], err)
		}
	}
	return nil
}

// protectSnapshot has the Protector take its part in a snapshot that is about to be saved.
func (s *Store) protectSnapshot(ctx context.Context, snap *Snapshot, enc serializer.Encoded, down downcastFunc) (serializer.Encoded, error) {
	if s.opts.Protector == nil {
		return enc, nil
	}
	p := []Payload{{Stream: snap.Stream, Version: snap.Version, Value: snap.State, Encoded: enc, Downcast: down}}
	err := s.opts.Protector.Protect(ctx, p)
	return p[0].Encoded, err
}

// errRedacted says that a snapshot is older than a Protector's decision to let go of parts of it. What the state would
// be now only the events can tell.
var errRedacted = errors.New("somebody it is about was forgotten after it was taken")

// revealSnapshot returns what a stored snapshot was before it was protected. damage is a reason to do without it.
func (s *Store) revealSnapshot(ctx context.Context, snap *driver.Snapshot) (enc serializer.Encoded, damage, err error) {
	enc = serializer.Encoded{Type: snap.Type, Schema: snap.Schema, ContentType: snap.ContentType, Data: snap.Data}
	if s.opts.Protector == nil {
		return enc, nil, nil
	}
	p := []Payload{{Stream: snap.Stream, Version: snap.Version, Encoded: enc}}
	if err := s.opts.Protector.Reveal(ctx, p); err != nil {
		return enc, nil, fmt.Errorf("eventstore: load protected snapshot of stream %q: %w", snap.Stream, err)
	}
	if p[0].Redacted {
		return enc, errRedacted, nil
	}
	return p[0].Encoded, p[0].Err, nil
}

func encodedEvent(e *driver.Event) serializer.Encoded {
	return serializer.Encoded{Type: e.Type, Schema: e.Schema, ContentType: e.ContentType, Data: e.Data}
}
