package eventstore

import (
	"context"
	"errors"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// begin reads the first page of an iteration that begins after a snapshot, if there is one and the caller can use it.
func (w *walk) begin(ctx context.Context) ([]driver.Record, error) {
	snap, page, err := w.store.readTail(ctx, w.q)
	if err != nil {
		return nil, err
	}
	used := false
	if snap != nil {
		if used, err = w.offer(ctx, snap); err != nil {
			return nil, err
		}
	}
	w.restore = nil
	if used {
		w.q.From = snap.Version + 1
	}
	if w.store.tails != nil && (used || snap == nil) {
		return page, nil
	}
	return w.store.readStream(ctx, w.q)
}

// offer hands the snapshot to the caller and reports whether it is of use.
func (w *walk) offer(ctx context.Context, stored *driver.Snapshot) (bool, error) {
	snap, err := w.store.decodeSnapshot(ctx, stored)
	if err != nil && !errors.As(err, new(*SnapshotError)) {
		return false, err
	}
	return w.restore(snap, err), nil
}

// readTail returns a stream's snapshot, or nil, and what follows it, where the driver reads that along with it.
func (s *Store) readTail(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
	if err := s.calls.enter(); err != nil {
		return nil, nil, err
	}
	defer s.calls.leave()
	if s.tails != nil {
		return s.tails.ReadTail(ctx, q)
	}
	snap, ok, err := s.snapshots.LoadSnapshot(ctx, q.Stream)
	if err != nil || !ok {
		return nil, nil, err
	}
	return &snap, nil, nil
}
