package projection

import (
	"context"
	"fmt"
	"time"
)

// State is what a projection is doing.
type State string

// The states of a projection.
const (
	StateStarting   State = "starting"    // nobody has begun to run it, or the first batch is on its way
	StateCatchingUp State = "catching up" // there is more in the log than one batch
	StateLive       State = "live"        // it has come to the head, and waits for more
	StateParked     State = "parked"      // as live, but for streams that are parked
	StateRetrying   State = "retrying"    // the last batch failed, another try follows
	StatePaused     State = "paused"      // by Pause
	StateStopped    State = "stopped"     // Run has ended, or the projection has given up
)

// Status is how a projection is doing, whichever processes run it.
type Status struct {
	Projection string
	Version    int   // 1, and one more for each rebuild
	State      State // of several partitions, that of the one most in need of attention
	Position   int64 // in the global log: everything up to here is handled and committed
	Head       int64 // the tide mark
	// Lag is how many events are yet to be handled, at most: it counts positions from the first event that is waiting to
	// the head, other projections' events among them. It is 0 if none is waiting.
	Lag int64
	// Behind is how long ago the first event that is waiting was recorded.
	Behind time.Duration
	// Rate is the events handled per second, over the last 10 seconds.
	Rate float64
	// LastError is the latest failure since its owner began, overcome or not.
	LastError   error
	LastErrorAt time.Time
	// Parked is how many streams wait for Retry or Drop.
	Parked int
	// Owner is the runner that runs the projection, as "host:pid:4f1c92d0"; several of them, with commas in between, if
	// its partitions have several; empty if none does.
	Owner string
	// Tenures counts what happened to this runner's ownership of its partitions.
	Tenures Tenures
	// Partitions is how each of its partitions is doing.
	Partitions []PartitionStatus
	// Progress is how far it has come with catching up; of several partitions, that of the one that will take longest. It is
	// zero if it does not catch up.
	Progress Progress
	// Rebuild is how the version is doing that is being built; nil if none is. If it is live and yet not in use, streams with
	// side effects may be parked in the one that is: the switch waits for Retry or Drop.
	Rebuild *RebuildStatus
}

// RebuildStatus is how a version is doing that is being built. Its fields are those of Status.
type RebuildStatus struct {
	Version     int
	State       State // StatePaused also if it was cancelled
	Cancelled   bool
	Position    int64
	Rate        float64
	Progress    Progress
	LastError   error
	LastErrorAt time.Time
	Parked      int
	Owner       string
	Partitions  []PartitionStatus
}

// PartitionStatus is how a partition of a projection is doing. Its fields are those of Status. What another process
// tells, it tells once a second or, while it has nothing to do, once in a third of its lease.
type PartitionStatus struct {
	Partition   int // from 0
	State       State
	Position    int64
	Rate        float64
	LastError   error
	LastErrorAt time.Time
	Parked      int
	Progress    Progress
	Owner       string
}

// Status returns how each projection is doing, in the order in which NewRunner got them, in this runner and in others.
// It asks the store for the rows of their owners, for the head, and for the first event that each is behind with; if
// that fails, it returns the error and what it knows without.
func (r *Runner) Status(ctx context.Context) ([]Status, error) {
	rs, failed := r.known(ctx, "", r.feeds...)
	if failed != nil {
		failed = fmt.Errorf("projection: status: %w", failed)
	}
	all := make([]Status, len(r.feeds))
	for i, f := range r.feeds {
		s := f.sight(rs)
		if failed == nil {
			if err := s.measure(ctx); err != nil {
				failed = fmt.Errorf("projection: status of %q: %w", f.name, err)
			}
		}
		all[i] = s.Status
	}
	return all, failed
}
