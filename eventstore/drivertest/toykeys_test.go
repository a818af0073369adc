package drivertest_test

import (
	"bytes"
	"cmp"
	"context"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func (h *toyHandle) LoadKeys(ctx context.Context, subjects []string) ([]driver.Key, error) {
	var keys []driver.Key
	for _, subject := range subjects {
		v, err := h.recall(ctx, "key "+subject)
		if err != nil {
			return nil, err
		}
		if k, ok := v.(driver.Key); ok {
			keys = append(keys, clonedKey(k))
		}
	}
	return keys, nil
}

func (h *toyHandle) AddKeys(ctx context.Context, keys []driver.Key) error {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = "key " + k.Subject
	}
	return h.within(ctx, "key", func(tx *toyTx) error {
		if err := tx.lock(ctx, names...); err != nil {
			return err
		}
		h.db.mu.Lock()
		defer h.db.mu.Unlock()
		for _, k := range keys {
			if name := "key " + k.Subject; h.db.kept(tx, name) == nil {
				k.Revision = 1
				tx.state[name] = clonedKey(k)
			}
		}
		return nil
	})
}

func (h *toyHandle) ReplaceKey(ctx context.Context, k driver.Key) (replaced bool, err error) {
	err = h.keep(ctx, "key", "key "+k.Subject, func(now any) (any, error) {
		stored, ok := now.(driver.Key)
		if replaced = ok && !stored.Forgotten() && stored.Revision == k.Revision-1; replaced {
			return clonedKey(k), nil
		}
		return now, nil
	})
	return replaced, err
}

func (h *toyHandle) ForgetKey(ctx context.Context, subject string, at time.Time) (had bool, err error) {
	err = h.keep(ctx, "key", "key "+subject, func(now any) (any, error) {
		stored, ok := now.(driver.Key)
		if had = ok && !stored.Forgotten(); ok && !had {
			return now, nil
		}
		return driver.Key{Subject: subject, Revision: max(stored.Revision, 1), UpdatedAt: at}, nil
	})
	return had, err
}

func (h *toyHandle) ListKeys(ctx context.Context, after string, limit int) ([]driver.Key, error) {
	list, err := partsOf(ctx, h, func(k driver.Key) (driver.Key, bool) { return clonedKey(k), k.Subject > after },
		func(a, b driver.Key) int { return cmp.Compare(a.Subject, b.Subject) })
	return list[:min(limit, len(list))], err
}

func clonedKey(k driver.Key) driver.Key {
	k.Wrapped = bytes.Clone(k.Wrapped)
	return k
}

// brokenKeys is a key store that does what its fields do where they are set.
type brokenKeys struct {
	load    func(ctx context.Context, subjects []string) ([]driver.Key, error)
	add     func(ctx context.Context, keys []driver.Key) error
	replace func(ctx context.Context, k driver.Key) (bool, error)
	forget  func(ctx context.Context, subject string, at time.Time) (bool, error)
	list    func(ctx context.Context, after string, limit int) ([]driver.Key, error)
}

func (b *broken) LoadKeys(ctx context.Context, subjects []string) ([]driver.Key, error) {
	if b.keys.load != nil {
		return b.keys.load(ctx, subjects)
	}
	return b.toyHandle.LoadKeys(ctx, subjects)
}

func (b *broken) AddKeys(ctx context.Context, keys []driver.Key) error {
	if b.keys.add != nil {
		return b.keys.add(ctx, keys)
	}
	return b.toyHandle.AddKeys(ctx, keys)
}

func (b *broken) ReplaceKey(ctx context.Context, k driver.Key) (bool, error) {
	if b.keys.replace != nil {
		return b.keys.replace(ctx, k)
	}
	return b.toyHandle.ReplaceKey(ctx, k)
}

func (b *broken) ForgetKey(ctx context.Context, subject string, at time.Time) (bool, error) {
	if b.keys.forget != nil {
		return b.keys.forget(ctx, subject, at)
	}
	return b.toyHandle.ForgetKey(ctx, subject, at)
}

func (b *broken) ListKeys(ctx context.Context, after string, limit int) ([]driver.Key, error) {
	if b.keys.list != nil {
		return b.keys.list(ctx, after, limit)
	}
	return b.toyHandle.ListKeys(ctx, after, limit)
}
