package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// SaveDeadLetter implements driver.DeadLetterer.
func (s *Store) SaveDeadLetter(ctx context.Context, d driver.DeadLetter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return err
	}
	if s.deadLetters[d.Projection] == nil {
		s.deadLetters[d.Projection] = make(map[int64]driver.DeadLetter)
	}
	s.deadLetters[d.Projection][d.Position] = d
	return nil
}

// DeleteDeadLetter implements driver.DeadLetterer.
func (s *Store) DeleteDeadLetter(ctx context.Context, projection string, position int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return err
	}
	delete(s.deadLetters[projection], position)
	return nil
}

// DeadLetters implements driver.DeadLetterer.
func (s *Store) DeadLetters(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := alive(ctx); err != nil {
		return nil, err
	}
	var list []driver.DeadLetter
	for position, d := range s.deadLetters[projection] {
		if position > after {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b driver.DeadLetter) int { return cmp.Compare(a.Position, b.Position) })
	return list[:min(limit, len(list))], nil
}
