package eventstore

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// checkDowncasts finds steps back that begin at what nobody writes, or from which upcasters don't lead forward again.
func (s *Store) checkDowncasts() error {
	var errs []error
	for _, source := range s.opts.Downcasts.Sources() {
		if name, schema, ok := s.reg.Current(source.Name); !ok || upcaster.V(name, schema) != source {
			errs = append(errs, fmt.Errorf("eventstore: a downcast takes %s, which is not what is written today: "+
				"give it the name and version that are registered", source))
			continue
		}
		for _, target := range s.opts.Downcasts.Targets(source) {
			if !s.leadsTo(target, source) {
				errs = append(errs, fmt.Errorf("eventstore: downcasts have %s stored as %s, which no upcaster step takes "+
					"back there: add the step", source, target))
			}
		}
	}
	return errors.Join(errs...)
}

// leadsTo reports whether what is stored as one type can be read as another, which is registered.
func (s *Store) leadsTo(stored, today upcaster.Type) bool {
	if from, ok := s.handled(stored.Name, stored.Schema); ok {
		stored = from
	}
	names := append(s.reg.Aliases(today.Name), today.Name)
	return slices.ContainsFunc(names, func(name string) bool {
		return s.opts.Upcasters.LeadsTo(stored, upcaster.V(name, today.Schema))
	})
}

// downcast has an event stored as an earlier release reads it, if Options.Downcasts says so.
func (p *preparation) downcast(stream StreamID, e *NewEvent, out *driver.Event) error {
	if !p.store.opts.Downcasts.Handles(upcaster.V(out.Type, out.Schema)) {
		return nil
	}
	written := beforeStored(stream, out)
	written.Metadata = p.metadata.over(e.Metadata)
	stored, err := p.store.downcast(written)
	if err != nil {
		return err
	}
	out.Type, out.Schema, out.ContentType, out.Data = stored.Name, stored.Schema, stored.ContentType, stored.Data
	if out.Metadata, err = Metadata(stored.Metadata).encode(); err != nil {
		return err
	}
	if p.downcasts == nil {
		p.downcasts = map[uuid.UUID]downcastFunc{}
	}
	p.downcasts[out.ID] = p.store.likewise(written, stored)
	return checkSize(out)
}

// downcastSnapshot does the same for a snapshot. It has no metadata to put anything into.
func (s *Store) downcastSnapshot(snap *Snapshot, enc serializer.Encoded) (serializer.Encoded, downcastFunc, error) {
	if !s.opts.Downcasts.Handles(upcaster.V(enc.Type, enc.Schema)) {
		return enc, nil, nil
	}
	written := upcaster.Event{Type: upcaster.V(enc.Type, enc.Schema), ContentType: enc.ContentType, Data: enc.Data,
		RecordedAt: s.Now(), StreamType: snap.Stream.Type, StreamID: snap.Stream.ID, Version: snap.Version}
	stored, err := s.downcast(written)
	if err == nil && len(stored.Metadata) > 0 {
		err = fmt.Errorf("downcasts give %s metadata, which a snapshot can't have", stored.Type)
	}
	return encodedOf(&stored), s.likewise(written, stored), err
}

// downcastFunc is Payload.Downcast.
type downcastFunc func(serializer.Encoded) (serializer.Encoded, error)

// likewise returns what does to another payload what was done to that of written. Metadata is not protected, so nothing may
// have got there that the other payload has not.
func (s *Store) likewise(written, stored upcaster.Event) downcastFunc {
	return func(enc serializer.Encoded) (serializer.Encoded, error) {
		written.Type, written.ContentType, written.Data = upcaster.V(enc.Type, enc.Schema), enc.ContentType, enc.Data
		other, err := s.downcast(written)
		if err == nil && !maps.Equal(other.Metadata, stored.Metadata) {
			err = errors.New("downcasts put into the metadata, where everybody can read it, what is to be protected")
		}
		return encodedOf(&other), err
	}
}

// downcast returns what is to be stored, having made sure that it is read as what was written.
func (s *Store) downcast(written upcaster.Event) (upcaster.Event, error) {
	stored, err := s.opts.Downcasts.Downcast(written, s.codec)
	if err != nil {
		return stored, err
	}
	if err := s.checkReadBack(written, stored); err != nil {
		return stored, fmt.Errorf("%s can't be stored as %s: %w", written.Type, stored.Type, err)
	}
	return stored, nil
}

// checkReadBack refuses what would be lost for good.
func (s *Store) checkReadBack(written, stored upcaster.Event) error {
	parts, err := s.forward(stored)
	if err != nil {
		return fmt.Errorf("it can't be read back: %w", err)
	}
	if len(parts) != 1 || parts[0].Type != written.Type {
		return fmt.Errorf("upcasters make %s of it", typesOf(parts))
	}
	lost, err := s.reg.Differences(encodedOf(&written), encodedOf(&parts[0]))
	if err != nil {
		return fmt.Errorf("it can't be read back: %w", err)
	}
	if !maps.Equal(written.Metadata, parts[0].Metadata) {
		lost = append(lost, "its metadata")
	}
	if len(lost) > 0 {
		return fmt.Errorf("read back it would differ in %s, and that is lost for good: let the steps keep it, or don't write "+
			"such events as long as the earlier release runs", strings.Join(lost, ", "))
	}
	return nil
}

func typesOf(events []upcaster.Event) string {
	if len(events) == 0 {
		return "nothing"
	}
	names := make([]string, len(events))
	for i := range events {
		names[i] = events[i].String()
	}
	return strings.Join(names, " and ")
}
