package memory

import (
	"context"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var _ driver.BatchCommitter = (*Store)(nil)

// Batching implements driver.BatchCommitter. There is one lock, so there is one lane.
func (s *Store) Batching() driver.Batching {
	return driver.Batching{Direct: 1, Lanes: 1, MaxCommits: 1024, MaxEvents: 1 << 20}
}

// CommitBatch implements driver.BatchCommitter.
func (s *Store) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return nil, err
	}
	before := len(s.log)
	outcomes := make([]driver.Outcome, len(commits))
	for i, writes := range commits {
		outcomes[i].Receipts, outcomes[i].Err = s.commit(writes)
	}
	if len(s.log) > before {
		s.wake()
	}
	return outcomes, nil
}
