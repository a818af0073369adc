package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Acquire implements driver.Leaser.
func (s *Store) Acquire(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return driver.Lease{}, err
	}
	l := s.checkpoints[name]
	if l.Owner != owner {
		if l.Until.After(now) {
			return driver.Lease{}, &driver.HeldError{Lease: cloneLease(l)}
		}
		l.Token++
	}
	l.Name, l.Owner, l.Until, l.UpdatedAt = name, owner, until, now
	s.checkpoints[name] = l
	return cloneLease(l), nil
}

// SaveLease implements driver.Leaser.
func (s *Store) SaveLease(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return err
	}
	stored := s.checkpoints[l.Name]
	switch {
	case stored.Owner == "" || stored.Owner != l.Owner || stored.Token != l.Token:
		return driver.ErrLeaseLost
	case stored.Position != from:
		return driver.ErrCheckpointMoved
	}
	l.UpdatedAt = at
	s.checkpoints[l.Name] = cloneLease(l)
	return nil
}

// ReleaseLease implements driver.Leaser.
func (s *Store) ReleaseLease(ctx context.Context, name string, token int64, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return err
	}
	if l := s.checkpoints[name]; l.Owner != "" && l.Token == token {
		l.Owner, l.Until, l.UpdatedAt = "", time.Time{}, at
		s.checkpoints[name] = l
	}
	return nil
}

// Leases implements driver.Leaser.
func (s *Store) Leases(ctx context.Context, prefix string) ([]driver.Lease, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := alive(ctx); err != nil {
		return nil, err
	}
	var list []driver.Lease
	for name, l := range s.checkpoints {
		if strings.HasPrefix(name, prefix) {
			list = append(list, cloneLease(l))
		}
	}
	slices.SortFunc(list, func(a, b driver.Lease) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func cloneLease(l driver.Lease) driver.Lease {
	l.State = bytes.Clone(l.State)
	return l
}
