package eventstore

import (
	"context"
	"fmt"
)

// LoadCheckpoint returns the position up to which a projection has handled the log, 0 if it has not begun. It is
// ErrNotSupported if the driver keeps no checkpoints.
func (s *Store) LoadCheckpoint(ctx context.Context, name string) (int64, error) {
	if err := s.callCheckpoints(name); err != nil {
		return 0, err
	}
	defer s.calls.leave()
	position, err := s.checkpoints.LoadCheckpoint(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("eventstore: load checkpoint %q: %w", name, err)
	}
	return position, nil
}

// SaveCheckpoint moves a projection's position. The error is ErrCheckpointMoved, and nothing is changed, unless it
// stands at from: that keeps two runners from both committing their work on the same events. Inside a transaction it
// is part of it.
func (s *Store) SaveCheckpoint(ctx context.Context, name string, from, to int64) error {
	if err := s.callCheckpoints(name); err != nil {
		return err
	}
	defer s.calls.leave()
	if err := s.checkpoints.SaveCheckpoint(ctx, name, from, to, s.Now()); err != nil {
		return fmt.Errorf("eventstore: move checkpoint %q from %d to %d: %w", name, from, to, err)
	}
	return nil
}

func (s *Store) callCheckpoints(name string) error {
	if s.checkpoints == nil {
		return fmt.Errorf("%w: checkpoints", ErrNotSupported)
	}
	if err := checkName(name); err != nil {
		return fmt.Errorf("eventstore: checkpoint name %.80q %w", name, err)
	}
	return s.calls.enter()
}
