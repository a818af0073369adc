package memory

import "context"

// Watch implements driver.Waiter. Nobody but this Store can commit to it, so it hears of every commit at once.
func (s *Store) Watch(ctx context.Context, wake func()) error {
	commits := make(chan struct{}, 1)
	s.listen(commits)
	defer s.forget(commits)
	wake()
	for {
		select {
		case <-commits:
			wake()
		case <-ctx.Done():
			return alive(ctx)
		}
	}
}

func (s *Store) listen(commits chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[commits] = struct{}{}
}

func (s *Store) forget(commits chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, commits)
}

// wake tells every watcher. One that has not yet heard of an earlier commit hears of both at once. mu is held.
func (s *Store) wake() {
	for commits := range s.watchers {
		select {
		case commits <- struct{}{}:
		default:
		}
	}
}
