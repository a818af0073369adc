package drivertest_test

import (
	"context"
	"runtime"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// ReadTail looks at the snapshot again after it has read the events, and starts over if it is another one by then.
func (h *toyHandle) ReadTail(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
	for {
		snap, page, err := h.readInOrder(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		now, ok, err := h.LoadSnapshot(ctx, q.Stream)
		if err != nil {
			return nil, nil, err
		}
		if !ok || snap != nil && now.Version == snap.Version {
			return snap, page, nil
		}
	}
}

func (h *toyHandle) readInOrder(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
	q.From, q.To, q.Backward = 1, 0, false
	snap, ok, err := h.LoadSnapshot(ctx, q.Stream)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		q.From = snap.Version + 1
	}
	page, err := h.ReadStream(ctx, q)
	if !ok {
		return nil, page, err
	}
	return &snap, page, err
}

func tailFlaws() []flaw {
	type read = func(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error)
	flawed := func(name string, c catch, how func(b *broken) read) flaw {
		return flaw{name: name, catches: []catch{c}, spoil: func(b *broken) { b.readTail = how(b) }}
	}
	return []flaw{
		flawed("its tails begin with the snapshot's own version", catch{
			"TailReader/with a snapshot anywhere in the stream and without one", "record 1 of 4: want position 2, version 2",
		}, func(b *broken) read {
			return func(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
				snap, page, err := b.toyHandle.ReadTail(ctx, q)
				if snap != nil {
					q.From = snap.Version
					page, err = b.toyHandle.ReadStream(ctx, q)
				}
				return snap, page, err
			}
		}),
		flawed("its tails begin where the query says", catch{
			"TailReader/whatever versions the query names", "record 1 of 5: want position 1, version 1",
		}, func(b *broken) read {
			return func(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
				snap, page, err := b.toyHandle.ReadTail(ctx, q)
				if snap == nil {
					page, err = b.toyHandle.ReadStream(ctx, q)
				}
				return snap, page, err
			}
		}),
		flawed("it counts the snapshot among the events of the page", catch{
			"TailReader/a page is cut as any other", "want 1 records, got 0",
		}, func(b *broken) read {
			return func(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
				snap, page, err := b.toyHandle.ReadTail(ctx, q)
				if snap != nil && len(page) == q.Limit {
					page = page[:q.Limit-1]
				}
				return snap, page, err
			}
		}),
		flawed("it reads the snapshot after the events", catch{
			"TailReader/while snapshots are saved", "after the snapshot of version",
		}, func(b *broken) read {
			return func(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
				snap, page, err := b.readInOrder(ctx, q)
				for range 10_000 { // until another one is saved, while there are any to come
					if len(page) > 0 && snap != nil {
						if now, ok, err := b.toyHandle.LoadSnapshot(ctx, q.Stream); ok && now.Version > snap.Version {
							return &now, page, err
						}
					}
					runtime.Gosched()
				}
				return snap, page, err
			}
		}),
		flawed("it reads tails outside of the transaction", catch{
			"TailReader/inside a transaction", "is there a snapshot: want true, got false",
		}, func(b *broken) read {
			return func(_ context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
				return b.toyHandle.ReadTail(context.Background(), q)
			}
		}),
		flawed("its tails pay no heed to the context", catch{
			"TailReader/a context that has ended", "want an error that wraps",
		}, func(b *broken) read {
			return func(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
				return b.toyHandle.ReadTail(context.WithoutCancel(ctx), q)
			}
		}),
	}
}
