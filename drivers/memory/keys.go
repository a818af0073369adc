package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// LoadKeys implements driver.KeyStore.
func (s *Store) LoadKeys(ctx context.Context, subjects []string) ([]driver.Key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := alive(ctx); err != nil {
		return nil, err
	}
	var found []driver.Key
	for _, subject := range subjects {
		if k, ok := s.keys[subject]; ok {
			found = append(found, cloneKey(k))
		}
	}
	return found, nil
}

// AddKeys implements driver.KeyStore.
func (s *Store) AddKeys(ctx context.Context, keys []driver.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return err
	}
	for _, k := range keys {
		if _, ok := s.keys[k.Subject]; !ok {
			k.Revision = 1
			s.keys[k.Subject] = cloneKey(k)
		}
	}
	return nil
}

// ReplaceKey implements driver.KeyStore.
func (s *Store) ReplaceKey(ctx context.Context, k driver.Key) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return false, err
	}
	if stored, ok := s.keys[k.Subject]; !ok || stored.Forgotten() || stored.Revision != k.Revision-1 {
		return false, nil
	}
	s.keys[k.Subject] = cloneKey(k)
	return true, nil
}

// ForgetKey implements driver.KeyStore.
func (s *Store) ForgetKey(ctx context.Context, subject string, at time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return false, err
	}
	k, ok := s.keys[subject]
	if ok && k.Forgotten() {
		return false, nil
	}
	clear(k.Wrapped)
	s.keys[subject] = driver.Key{Subject: subject, Revision: max(k.Revision, 1), UpdatedAt: at}
	return ok, nil
}

// ListKeys implements driver.KeyStore.
func (s *Store) ListKeys(ctx context.Context, after string, limit int) ([]driver.Key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := alive(ctx); err != nil {
		return nil, err
	}
	var list []driver.Key
	for subject, k := range s.keys {
		if subject > after {
			list = append(list, cloneKey(k))
		}
	}
	slices.SortFunc(list, func(a, b driver.Key) int { return cmp.Compare(a.Subject, b.Subject) })
	return list[:min(limit, len(list))], nil
}

func cloneKey(k driver.Key) driver.Key {
	k.Wrapped = bytes.Clone(k.Wrapped)
	return k
}
