package eventstore

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// Snapshot is an aggregate's state as of a version of its stream. State is a value of a registered type.
type Snapshot struct {
	Stream     StreamID
	Version    int64
	State      any
	RecordedAt time.Time // set by SaveSnapshot; UTC, whole microseconds
}

// SnapshotError says that a stored snapshot can't be used: its type is unknown, no upcaster step leads from its schema
// version to today's, or its bytes are damaged. Nothing is lost by it: the stream has everything.
type SnapshotError struct {
	Stream  StreamID
	Version int64
	Type    string
	Schema  int
	Err     error
}

// Error implements error.
func (e *SnapshotError) Error() string {
	return fmt.Sprintf("eventstore: can't use snapshot %s v%d of stream %q at version %d: %v",
		e.Type, e.Schema, e.Stream, e.Version, e.Err)
}

// Unwrap implements errors.Is and errors.As.
func (e *SnapshotError) Unwrap() error { return e.Err }

// SaveSnapshot stores a snapshot, unless the stream has one of a later version. A state of more than 256 MiB is refused. The
// error is ErrNotSupported if the driver keeps no snapshots.
func (s *Store) SaveSnapshot(ctx context.Context, snap Snapshot) error {
	if err := s.callSnapshots(snap.Stream); err != nil {
		return err
	}
	defer s.calls.leave()
	if snap.Version < 1 {
		return fmt.Errorf("eventstore: snapshot of stream %q: version %d is below 1", snap.Stream, snap.Version)
	}
	stored, err := s.encodeSnapshot(ctx, &snap)
	if err == nil {
		err = s.snapshots.SaveSnapshot(ctx, stored)
	}
	if err != nil {
		return fmt.Errorf("eventstore: save snapshot of stream %q at version %d: %w", snap.Stream, snap.Version, err)
	}
	return nil
}

// encodeSnapshot returns a snapshot as it is stored.
func (s *Store) encodeSnapshot(ctx context.Context, snap *Snapshot) (driver.Snapshot, error) {
	enc, err := s.reg.Encode(snap.State)
	if err != nil {
		return driver.Snapshot{}, err
	}
	enc, down, err := s.downcastSnapshot(snap, enc)
	if err != nil {
		return driver.Snapshot{}, err
	}
	if len(enc.Data) > maxAppend {
		return driver.Snapshot{}, fmt.Errorf("%s is %d bytes long; %d are allowed", enc.Type, len(enc.Data), maxAppend)
	}
	enc, err = s.protectSnapshot(ctx, snap, enc, down)
	return driver.Snapshot{Stream: snap.Stream, Version: snap.Version, Type: enc.Type, Schema: enc.Schema,
		ContentType: enc.ContentType, Data: enc.Data, RecordedAt: s.Now()}, err
}

// LoadSnapshot returns the latest snapshot of a stream; ok is false if it has none. One that can't be used is a
// *SnapshotError. It is ErrNotSupported if the driver keeps no snapshots.
func (s *Store) LoadSnapshot(ctx context.Context, stream StreamID) (snap Snapshot, ok bool, err error) {
	if err := s.callSnapshots(stream); err != nil {
		return Snapshot{}, false, err
	}
	defer s.calls.leave()
	stored, ok, err := s.snapshots.LoadSnapshot(ctx, stream)
	if err != nil || !ok {
		if err != nil {
			err = fmt.Errorf("eventstore: load snapshot of stream %q: %w", stream, err)
		}
		return Snapshot{}, false, err
	}
	snap, err = s.decodeSnapshot(ctx, &stored)
	return snap, err == nil, err
}

// decodeSnapshot returns a *SnapshotError if a stored snapshot can't be used.
func (s *Store) decodeSnapshot(ctx context.Context, stored *driver.Snapshot) (Snapshot, error) {
	enc, damage, err := s.revealSnapshot(ctx, stored)
	if err != nil {
		return Snapshot{}, err
	}
	var state any
	if damage == nil {
		state, damage = s.decodeState(stored, enc)
	}
	if damage != nil {
		return Snapshot{}, &SnapshotError{Stream: stored.Stream, Version: stored.Version, Type: stored.Type,
			Schema: stored.Schema, Err: damage}
	}
	return Snapshot{Stream: stored.Stream, Version: stored.Version, State: state, RecordedAt: stored.RecordedAt}, nil
}

// decodeState carries a state forward as upcasters do with events.
func (s *Store) decodeState(stored *driver.Snapshot, enc serializer.Encoded) (any, error) {
	parts, err := s.forward(upcaster.Event{Type: upcaster.V(enc.Type, enc.Schema), ContentType: enc.ContentType,
		Data: enc.Data, RecordedAt: stored.RecordedAt, StreamType: stored.Stream.Type, StreamID: stored.Stream.ID,
		Version: stored.Version})
	if err != nil {
		return nil, err
	}
	if len(parts) != 1 {
		return nil, fmt.Errorf("upcasters make %s of it instead of one state", typesOf(parts))
	}
	return s.reg.Decode(encodedOf(&parts[0]))
}

func (s *Store) callSnapshots(stream StreamID) error {
	if s.snapshots == nil {
		return fmt.Errorf("%w: snapshots", ErrNotSupported)
	}
	if err := checkStream(stream); err != nil {
		return err
	}
	return s.calls.enter()
}
