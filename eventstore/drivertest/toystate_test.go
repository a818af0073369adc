package drivertest_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// keep changes a part of the state: f is given what is there and returns what is to be there.
func (h *toyHandle) keep(ctx context.Context, kind, key string, f func(now any) (any, error)) error {
	return h.within(ctx, kind, func(tx *toyTx) error {
		if err := tx.lock(ctx, key); err != nil {
			return err
		}
		h.db.mu.Lock()
		defer h.db.mu.Unlock()
		v, err := f(h.db.kept(tx, key))
		if err == nil {
			tx.state[key] = v
		}
		return err
	})
}

func (db *toy) kept(tx *toyTx, key string) any {
	if tx != nil && tx.state[key] != nil {
		return tx.state[key]
	}
	return db.state[key]
}

// recall returns a part of the state as the transaction of ctx sees it.
func (h *toyHandle) recall(ctx context.Context, key string) (any, error) {
	tx, err := h.carried(ctx)
	if err == nil {
		err = ctx.Err()
	}
	h.db.mu.Lock()
	defer h.db.mu.Unlock()
	return h.db.kept(tx, key), err
}

func (h *toyHandle) SaveSnapshot(ctx context.Context, s driver.Snapshot) error {
	s.Data = bytes.Clone(s.Data)
	return h.keep(ctx, "snapshot", fmt.Sprintf("snapshot %q", s.Stream), func(now any) (any, error) {
		if newer, ok := now.(driver.Snapshot); ok && newer.Version > s.Version {
			return newer, nil
		}
		return s, nil
	})
}

func (h *toyHandle) LoadSnapshot(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error) {
	v, err := h.recall(ctx, fmt.Sprintf("snapshot %q", stream))
	s, ok := v.(driver.Snapshot)
	s.Data = bytes.Clone(s.Data)
	return s, ok && err == nil, err
}

func (h *toyHandle) SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error {
	return h.keep(ctx, "checkpoint", checkpointKey(name), func(now any) (any, error) {
		l, _ := now.(driver.Lease)
		if l.Position != from {
			return nil, driver.ErrCheckpointMoved
		}
		l.Name, l.Position, l.UpdatedAt = name, to, at
		return l, nil
	})
}

func checkpointKey(name string) string { return fmt.Sprintf("checkpoint %q", name) }

func (h *toyHandle) LoadCheckpoint(ctx context.Context, name string) (int64, error) {
	v, err := h.recall(ctx, checkpointKey(name))
	l, _ := v.(driver.Lease)
	return l.Position, err
}

// toyWatcher is a Watch under way.
type toyWatcher struct {
	hears func(tx *toyTx) bool
	news  chan struct{}
}

func (w *toyWatcher) hear(tx *toyTx) {
	if !w.hears(tx) {
		return
	}
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (h *toyHandle) Watch(ctx context.Context, wake func()) error {
	return h.watch(ctx, wake, func(*toyTx) bool { return true })
}

// watch hears of the transactions that hears is true of.
func (h *toyHandle) watch(ctx context.Context, wake func(), hears func(tx *toyTx) bool) error {
	w := &toyWatcher{hears: hears, news: make(chan struct{}, 1)}
	h.db.mu.Lock()
	h.db.watchers[w] = true
	h.db.mu.Unlock()
	defer func() {
		h.db.mu.Lock()
		defer h.db.mu.Unlock()
		delete(h.db.watchers, w)
	}()
	wake()
	for {
		select {
		case <-w.news:
			wake()
		case <-ctx.Done():
			return fmt.Errorf("toy: %w", ctx.Err())
		}
	}
}
