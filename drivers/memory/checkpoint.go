package memory

import (
	"context"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// LoadCheckpoint implements driver.Checkpointer.
func (s *Store) LoadCheckpoint(ctx context.Context, name string) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := alive(ctx); err != nil {
		return 0, err
	}
	return s.checkpoints[name].Position, nil
}

// SaveCheckpoint implements driver.Checkpointer.
func (s *Store) SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return err
	}
	l := s.checkpoints[name]
	if l.Position != from {
		return driver.ErrCheckpointMoved
	}
	l.Name, l.Position, l.UpdatedAt = name, to, at
	s.checkpoints[name] = l
	return nil
}
