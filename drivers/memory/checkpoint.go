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
	return s.checkpoints[name], nil
}

// SaveCheckpoint implements driver.Checkpointer. The time is for people who look into a database; nobody can look into
// this one.
func (s *Store) SaveCheckpoint(ctx context.Context, name string, from, to int64, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return err
	}
	if s.checkpoints[name] != from {
		return driver.ErrCheckpointMoved
	}
	s.checkpoints[name] = to
	return nil
}
