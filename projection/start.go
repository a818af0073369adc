package projection

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Start says where a projection begins that has never run. The zero value is the beginning of the log.
type Start struct {
	find func(ctx context.Context, store *eventstore.Store) (int64, error)
}

// FromNow begins with the events that are committed after the first Run.
func FromNow() Start {
	return Start{func(ctx context.Context, store *eventstore.Store) (int64, error) { return store.Head(ctx) }}
}

// FromPosition begins with the first event after a position of the global log.
func FromPosition(after int64) Start {
	return Start{func(context.Context, *eventstore.Store) (int64, error) {
		if after < 0 {
			return 0, fmt.Errorf("projection: FromPosition(%d): a position is not negative", after)
		}
		return after, nil
	}}
}

// FromTime begins with the events that were recorded at or after a time. It takes the log's times to grow, as they do but
// for what the clocks of those who write differ by: around the time itself it may begin so much too early or too late.
func FromTime(t time.Time) Start {
	return Start{func(ctx context.Context, store *eventstore.Store) (int64, error) { return before(ctx, store, t) }}
}

func (s Start) beginning() bool { return s.find == nil }

func (s Start) position(ctx context.Context, store *eventstore.Store) (int64, error) {
	return s.find(ctx, store)
}

// before returns the position of the last event before a time, by halving.
func before(ctx context.Context, store *eventstore.Store, t time.Time) (int64, error) {
	head, err := store.Head(ctx)
	if err != nil {
		return 0, err
	}
	after := sort.Search(int(head), func(after int) bool {
		if err != nil {
			return true
		}
		var page eventstore.Page
		page, err = store.ReadAll(ctx, int64(after), &eventstore.ReadOptions{Limit: 1, Raw: true})
		return err != nil || len(page.Events) == 0 || !page.Events[0].RecordedAt.Before(t)
	})
	return int64(after), err
}
