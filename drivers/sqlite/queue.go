package sqlite

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// errHeld: whoever holds the queue has not given it back in time.
var errHeld = errors.New("the queue is held")

// queue lets one in at a time, in the order of arrival.
type queue struct {
	patience time.Duration // with one and the same holder

	mu      sync.Mutex
	held    bool
	since   time.Time // when the holder got in
	waiting []chan struct{}
}

// enter waits for its turn, which leave ends. It fails with the error of ctx when that ends, and with errHeld when the
// holder has been the same for as long as the caller's patience: a long line that moves is no reason to give up.
func (q *queue) enter(ctx context.Context) error {
	turn := q.join()
	if turn == nil {
		return nil
	}
	timer := time.NewTimer(q.patience)
	defer timer.Stop()
	for {
		select {
		case <-turn:
			return nil
		case <-ctx.Done():
			q.giveUp(turn)
			return ctx.Err()
		case <-timer.C:
			if left := q.patience - q.heldFor(); left > 0 {
				timer.Reset(left)
				continue
			}
			q.giveUp(turn)
			return errHeld
		}
	}
}

// join returns nil if the caller is let in at once, else the channel that is closed when it is.
func (q *queue) join() chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.held {
		q.held, q.since = true, time.Now()
		return nil
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	return turn
}

func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.held = false
		return
	}
	q.since = time.Now()
	close(q.waiting[0])
	q.waiting = q.waiting[1:]
}

// giveUp takes a caller out of the line, or passes on the turn that it got in the last moment.
func (q *queue) giveUp(turn chan struct{}) {
	q.mu.Lock()
	i := slices.Index(q.waiting, turn)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	q.mu.Unlock()
	if i < 0 {
		q.leave()
	}
}

func (q *queue) heldFor() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Since(q.since)
}
