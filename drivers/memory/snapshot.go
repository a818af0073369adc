package memory

import (
	"bytes"
	"context"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// SaveSnapshot implements driver.Snapshotter.
func (s *Store) SaveSnapshot(ctx context.Context, snapshot driver.Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return err
	}
	if snapshot.Version >= s.snapshots[snapshot.Stream].Version {
		snapshot.Data = bytes.Clone(snapshot.Data)
		s.snapshots[snapshot.Stream] = snapshot
	}
	return nil
}

// LoadSnapshot implements driver.Snapshotter.
func (s *Store) LoadSnapshot(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := alive(ctx); err != nil {
		return driver.Snapshot{}, false, err
	}
	snapshot, ok := s.snapshots[stream]
	snapshot.Data = bytes.Clone(snapshot.Data)
	return snapshot, ok, nil
}
