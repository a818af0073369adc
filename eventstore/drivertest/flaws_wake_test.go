package drivertest_test

import (
	"context"
	"sync/atomic"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func hearing(hears func(b *broken, tx *toyTx) bool) func(b *broken) {
	return func(b *broken) {
		b.watchCommits = func(ctx context.Context, wake func()) error {
			return b.watch(ctx, wake, func(tx *toyTx) bool { return hears(b, tx) })
		}
	}
}

// listensLate hears of nothing between a wake and when it listens again.
func listensLate(b *broken) {
	b.watchCommits = func(ctx context.Context, wake func()) error {
		for ctx.Err() == nil {
			wake()
			listening, heard := context.WithCancel(ctx)
			begun := false
			_ = b.watch(listening, func() {
				if begun {
					heard()
				}
				begun = true
			}, func(*toyTx) bool { return true })
			heard()
		}
		return ctx.Err()
	}
}

func wakeFlaws() []flaw {
	const unheard = "a watcher was not woken"
	return []flaw{
		{name: "it wakes nobody", hangs: true, spoil: hearing(func(*broken, *toyTx) bool { return false }), catches: []catch{
			{"G7/a subscriber is woken by a commit of the same process", "wait for the event of append"},
			{"G7/a reader that reads only when woken gets every commit", unheard},
		}},
		{name: "it is deaf to other handles", hangs: true, catches: []catch{{"G7/commits through another handle wake as well", unheard}},
			spoil: hearing(func(b *broken, tx *toyTx) bool { return tx.h == b.toyHandle })},
		{name: "it is deaf to transactions", hangs: true, catches: []catch{{"G7/the commit of a transaction wakes", unheard}},
			spoil: hearing(func(_ *broken, tx *toyTx) bool { return !tx.explicit })},
		{name: "it is deaf to rollbacks", hangs: true, spoil: hearing(func(_ *broken, tx *toyTx) bool { return tx.committed }),
			catches: []catch{{"G7/the rollback of what held up others wakes", unheard}}},
		{name: "its batches wake nobody", hangs: true, catches: []catch{{"G7/a batch of commits wakes", unheard}},
			spoil: func(b *broken) {
				var inBatch atomic.Bool
				b.commitBatch = func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
					inBatch.Store(true)
					defer inBatch.Store(false)
					return b.toyHandle.CommitBatch(ctx, commits)
				}
				hearing(func(*broken, *toyTx) bool { return !inBatch.Load() })(b)
			}},
		{name: "it wakes one watcher only", hangs: true, catches: []catch{{"G7/every watcher is woken", unheard}},
			spoil: func(b *broken) {
				var watchers atomic.Int64
				b.watchCommits = func(ctx context.Context, wake func()) error {
					n := watchers.Add(1)
					return b.watch(ctx, wake, func(*toyTx) bool { return n == 1 })
				}
			}},
		{name: "it wakes first and listens for the next commit then", hangs: true, spoil: listensLate, catches: []catch{
			{"G7/a commit while a watcher is being woken wakes it again", "a watcher was not woken by a commit that came while it was woken for time 1"},
		}},
		{name: "it does not say when it begins to hear", hangs: true, catches: []catch{
			{"G7/a watcher is woken when it begins to hear", "a watcher was not woken when it begins to watch"},
		}, spoil: func(b *broken) {
			b.watchCommits = func(ctx context.Context, wake func()) error {
				first := true
				return b.watch(ctx, func() {
					if !first {
						wake()
					}
					first = false
				}, func(*toyTx) bool { return true })
			}
		}},
		{name: "it stops watching without a word", catches: []catch{{"G7/watching ends with its context", "want an error that wraps"}},
			spoil: func(b *broken) {
				b.watchCommits = func(ctx context.Context, wake func()) error {
					_ = b.toyHandle.Watch(ctx, wake)
					return nil
				}
			}},
		{name: "it wakes all the time", catches: []catch{
			{"G7/nobody is woken all the time while nothing is committed", "a watcher was woken 21 times"},
		}, spoil: func(b *broken) {
			b.watchCommits = func(ctx context.Context, wake func()) error {
				for ctx.Err() == nil {
					wake()
				}
				return ctx.Err()
			}
		}},
	}
}
