package drivertest_test

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func batchFlaws() []flaw {
	return []flaw{
		{name: "one commit that fails takes its batch along", catches: []catch{
			{"B1/a batch of commits that have nothing in common", "commit 1: "},
		}, spoil: func(b *broken) {
			b.commitBatch = func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
				outcomes, err := b.toyHandle.CommitBatch(ctx, commits)
				for _, failed := range outcomes {
					if failed.Err != nil {
						return slices.Repeat([]driver.Outcome{failed}, len(outcomes)), err
					}
				}
				return outcomes, err
			}
		}},
		{name: "it takes fewer commits than it says", catches: []catch{
			{"B1/as many commits and events as a batch may have", "number of outcomes: want 20, got 10"},
		}, spoil: func(b *broken) {
			b.commitBatch = func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
				return b.toyHandle.CommitBatch(ctx, commits[:min(10, len(commits))])
			}
		}},
		{name: "it judges every commit by what was there before the batch", spoil: judgedByBefore, catches: []catch{
			{"B2/a batch of commits to the same streams", "commit 2: want a *driver.ConflictError"},
			{"B2/the same events twice in a batch", "commit 2: want a *driver.DuplicateError"},
			{"B2/the same events twice in a batch, with another expectation", "commit 2: want a *driver.DuplicateError"},
		}},
		{name: "it tells success of what it did not do", catches: []catch{
			{"B3/a context that has ended before the call", "outcome 1 of a batch"},
		}, spoil: func(b *broken) {
			b.commitBatch = func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
				if ctx.Err() != nil {
					return make([]driver.Outcome, len(commits)), nil
				}
				return b.toyHandle.CommitBatch(ctx, commits)
			}
		}},
	}
}

func judgedByBefore(b *broken) {
	b.commitBatch = func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
		versions := make(map[driver.StreamID]int64)
		known := make(map[uuid.UUID]bool)
		b.db.mu.Lock()
		for id := range b.db.ids {
			known[id] = true
		}
		b.db.mu.Unlock()
		for _, writes := range commits {
			for _, w := range writes {
				versions[w.Stream] = b.versionOf(ctx, w.Stream)
			}
		}
		outcomes := make([]driver.Outcome, len(commits))
		for i, writes := range commits {
			if !slices.ContainsFunc(writes, func(w driver.Write) bool { return holds(known, w) }) {
				writes = withNewIDs(writes)
			}
			if slices.ContainsFunc(writes, func(w driver.Write) bool { return !w.Expected.Met(versions[w.Stream]) }) {
				outcomes[i].Receipts, outcomes[i].Err = b.toyHandle.Commit(ctx, writes)
			} else {
				outcomes[i].Receipts, outcomes[i].Err = b.toyHandle.Commit(ctx, expecting(writes, anyVersion))
			}
		}
		return outcomes, nil
	}
}

func holds(known map[uuid.UUID]bool, w driver.Write) bool {
	return slices.ContainsFunc(w.Events, func(e driver.Event) bool { return known[e.ID] })
}
