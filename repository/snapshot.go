package repository

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/eventstore"
)

// SnapshotPolicy decides, after events of an aggregate were saved, whether a snapshot of it follows. It is called by
// several goroutines at a time.
type SnapshotPolicy func(SnapshotState) bool

// SnapshotState is what a SnapshotPolicy decides on.
type SnapshotState struct {
	Stream  eventstore.StreamID
	Version int64 // of the last saved event
	// SnapshotVersion is the version of the latest snapshot that this aggregate value was loaded from or has taken; 0
	// for none. Since is when that snapshot was taken; without one, when the stream's first event was recorded.
	SnapshotVersion int64
	Since           time.Time
	Now             time.Time // by the store's clock
}

// EveryEvents takes a snapshot as soon as n events, or more, were saved since the latest. It panics if n is below 1.
func EveryEvents(n int) SnapshotPolicy {
	if n < 1 {
		panic(fmt.Sprintf("repository: EveryEvents(%d): the number of events must be 1 or more; Never takes no snapshots", n))
	}
	return func(s SnapshotState) bool { return s.Version-s.SnapshotVersion >= int64(n) }
}

// EveryDuration takes a snapshot with the first save that comes d or later after the latest snapshot or, without one, the
// stream's first event: what lives shorter than d never needs one. It panics if d is not positive.
func EveryDuration(d time.Duration) SnapshotPolicy {
	if d <= 0 {
		panic(fmt.Sprintf("repository: EveryDuration(%v): the duration must be positive; Never takes no snapshots", d))
	}
	return func(s SnapshotState) bool { return s.Now.Sub(s.Since) >= d }
}

// Never takes no snapshots. Those that are there are still used.
func Never(SnapshotState) bool { return false }

// ever reports whether the policy takes snapshots at all: whether it would of an endless stream at the end of time. One
// that panics on this is none of the known ones.
func (p SnapshotPolicy) ever() (would bool) {
	if p == nil {
		return false
	}
	_ = guarded("the snapshot policy", func() error {
		would = p(SnapshotState{Version: math.MaxInt64, Since: time.Unix(0, 0), Now: time.Unix(1<<33, 0)})
		return nil
	})
	return would
}

// snapshot takes a snapshot if it is time for one. The save that it follows has succeeded, whatever happens here.
func (r *Repository[A]) snapshot(ctx context.Context, a A, storage *aggregate.Storage) {
	source, ok := any(a).(aggregate.Snapshotter)
	if !ok {
		return
	}
	err := guarded("taking a snapshot", func() error { return r.snapshotIfDue(ctx, source, a, storage) })
	switch {
	case errors.Is(err, eventstore.ErrNotSupported):
		r.noSnapshots.Do(func() {
			r.opts.Logger.WarnContext(ctx, "tidemark: the driver keeps no snapshots: every load replays the whole stream",
				"stream_type", r.streamType)
		})
	case err != nil:
		r.opts.Logger.WarnContext(ctx, "tidemark: took no snapshot; the events are saved",
			"stream", r.Stream(a.ID()).String(), "version", a.Version(), "error", err)
	}
}

func (r *Repository[A]) snapshotIfDue(ctx context.Context, source aggregate.Snapshotter, a A, storage *aggregate.Storage) error {
	now, version := r.store.Now(), a.Version()
	latest, since := storage.Snapshot()
	if since.IsZero() {
		since = now
		storage.SetSnapshot(latest, since)
	}
	if !r.opts.Snapshots(SnapshotState{Stream: r.Stream(a.ID()), Version: version, SnapshotVersion: latest,
		Since: since, Now: now}) {
		return nil
	}
	if storage.Torn() {
		return errors.New("apply panicked on an event that was not kept, so the state may have more in it than the events: load it again")
	}
	state, err := source.Snapshot()
	if err != nil {
		return err
	}
	if err := r.store.SaveSnapshot(ctx, eventstore.Snapshot{Stream: r.Stream(a.ID()), Version: version, State: state}); err != nil {
		return err
	}
	r.store.OnEnd(ctx, func(committed bool) {
		if committed {
			storage.SetSnapshot(version, now)
		}
	})
	return nil
}

// guarded turns a panic of the user's code into an error, where it is no reason to fail the call that it happens in.
func guarded(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v", what, p)
		}
	}()
	return f()
}
