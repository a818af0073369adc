package postgres

import (
	"context"
	"errors"
	"sync"
)

// scans has all readers of a store that come to the head at the same time share one scan of the locks. A scan is of use
// to those only who asked before it began: it may have missed what was committed before a later call. So there are two
// at most: one that runs, and one that begins when it is over, for everybody who has asked in the meantime.
type scans struct {
	mu      sync.Mutex
	running *scan // the latest that has begun; nil if it is over
	waiting *scan // nil if nobody waits
}

// scan is made by the first reader who asks for it, with that reader's context.
type scan struct {
	leader context.Context
	before *scan // what it waits for
	done   chan struct{}
	mark   int64
	err    error
}

// read returns what scan finds out after read was called.
func (s *scans) read(ctx context.Context, find func(ctx context.Context) (int64, error)) (int64, error) {
	for {
		one, leads := s.join(ctx)
		if leads {
			s.lead(one, find)
			return one.mark, one.err
		}
		select {
		case <-one.done:
			if one.err == nil || one.leader.Err() == nil {
				return one.mark, one.err
			}
		case <-one.leader.Done():
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		// The leader was called off, which is nobody else's error.
	}
}

// join returns the scan that has not begun. Who is the first to want it leads it.
func (s *scans) join(ctx context.Context) (one *scan, leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting != nil && s.waiting.leader.Err() == nil {
		return s.waiting, false
	}
	s.waiting = &scan{leader: ctx, before: s.running, done: make(chan struct{})}
	return s.waiting, true
}

var errUnknownMark = errors.New("the reader that was to find out the tide mark has failed")

// lead makes a scan as soon as the one before it is over.
func (s *scans) lead(one *scan, find func(ctx context.Context) (int64, error)) {
	defer s.over(one)
	if one.before != nil {
		select {
		case <-one.before.done:
		case <-one.before.leader.Done(): // it may hang
		case <-one.leader.Done():
		}
	}
	if one.err = one.leader.Err(); one.err != nil {
		return
	}
	s.begin(one)
	one.err = errUnknownMark // should find not return
	one.mark, one.err = find(one.leader)
}

func (s *scans) begin(one *scan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, one.before = one, nil
	if s.waiting == one {
		s.waiting = nil
	}
}

func (s *scans) over(one *scan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == one {
		s.waiting = nil
	}
	if s.running == one {
		s.running = nil
	}
	close(one.done)
}
