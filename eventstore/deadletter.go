package eventstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// DeadLetter is a note of an event that a projection could not handle, and what is to be done about it.
type DeadLetter = driver.DeadLetter

// maxDeadLetterError bounds what is kept of an error's text, in bytes.
const maxDeadLetterError = 8 << 10

// SaveDeadLetter stores a note, or replaces the one with the same Projection and Position. FirstAt and LastAt are now if
// they are zero. Of Error the first 8 KiB are kept, without what a database can't store as text. Inside a transaction it
// is part of it. It is ErrNotSupported if the driver keeps no dead letters.
func (s *Store) SaveDeadLetter(ctx context.Context, d DeadLetter) error {
	if err := s.callDeadLetters(d.Projection); err != nil {
		return err
	}
	defer s.calls.leave()
	err := checkDeadLetter(&d)
	if err == nil {
		d.FirstAt, d.LastAt = s.orNow(d.FirstAt), s.orNow(d.LastAt)
		d.Error = storable(d.Error)
		err = s.deadLetters.SaveDeadLetter(ctx, d)
	}
	if err != nil {
		return fmt.Errorf("eventstore: save the dead letter of %q at position %d: %w", d.Projection, d.Position, err)
	}
	return nil
}

func checkDeadLetter(d *DeadLetter) error {
	if err := checkStream(d.Stream); err != nil {
		return err
	}
	if err := checkName(d.Type); err != nil {
		return fmt.Errorf("event type %.80q %w", d.Type, err)
	}
	if d.Request != "" {
		if err := checkName(d.Request); err != nil {
			return fmt.Errorf("request %.80q %w", d.Request, err)
		}
	}
	if d.Position < 1 || d.Version < 1 || d.Tries < 0 {
		return fmt.Errorf("position and version %d must be 1 or more, and %d tries not negative", d.Version, d.Tries)
	}
	return nil
}

func (s *Store) orNow(t time.Time) time.Time {
	if t.IsZero() {
		return s.Now()
	}
	return t.UTC().Truncate(time.Microsecond)
}

// storable returns what every database can keep of a text of any origin.
func storable(text string) string {
	text = text[:min(len(text), maxDeadLetterError)]
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// DeleteDeadLetter removes the note at a position; if there is none, it does nothing.
func (s *Store) DeleteDeadLetter(ctx context.Context, projection string, position int64) error {
	if err := s.callDeadLetters(projection); err != nil {
		return err
	}
	defer s.calls.leave()
	if err := s.deadLetters.DeleteDeadLetter(ctx, projection, position); err != nil {
		return fmt.Errorf("eventstore: delete the dead letter of %q at position %d: %w", projection, position, err)
	}
	return nil
}

// DeadLetters returns the notes of a projection that stand after a position, in order of position, limit at most.
func (s *Store) DeadLetters(ctx context.Context, projection string, after int64, limit int) ([]DeadLetter, error) {
	if err := s.callDeadLetters(projection); err != nil {
		return nil, err
	}
	defer s.calls.leave()
	if after < 0 || limit < 1 {
		return nil, fmt.Errorf("eventstore: list the dead letters of %q: position %d is negative or limit %d below 1",
			projection, after, limit)
	}
	list, err := s.deadLetters.DeadLetters(ctx, projection, after, limit)
	if err != nil {
		return nil, fmt.Errorf("eventstore: list the dead letters of %q after position %d: %w", projection, after, err)
	}
	return list, nil
}

func (s *Store) callDeadLetters(projection string) error {
	if s.deadLetters == nil {
		return fmt.Errorf("%w: dead letters", ErrNotSupported)
	}
	if err := checkName(projection); err != nil {
		return fmt.Errorf("eventstore: projection name %.80q %w", projection, err)
	}
	return s.calls.enter()
}
