package projection

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// State is what a projection is doing.
type State string

// The states of a projection.
const (
	StateStarting   State = "starting"    // Run has not been called, or the first batch is on its way
	StateCatchingUp State = "catching up" // there is more in the log than one batch
	StateLive       State = "live"        // it has come to the head, and waits for more
	StateRetrying   State = "retrying"    // the last batch failed, another try follows
	StateStopped    State = "stopped"     // Run has ended, or the projection has given up
)

// Status is how a projection is doing in this runner.
type Status struct {
	Projection string
	State      State
	Position   int64 // in the global log: everything up to here is handled and committed
	Head       int64 // the tide mark
	// Lag is how many events are yet to be handled, at most: it counts positions from the first event that is waiting to
	// the head, other projections' events among them. It is 0 if none is waiting.
	Lag int64
	// Behind is how long ago the first event that is waiting was recorded.
	Behind time.Duration
	// Rate is the events handled per second, over the last 10 seconds.
	Rate float64
	// LastError is the latest failure since Run began, overcome or not.
	LastError   error
	LastErrorAt time.Time
	// Owner is the runner that runs the projection, as "host:pid:4f1c92d0"; empty if none does.
	Owner string
}

// Status returns how each projection is doing, in the order in which NewRunner got them. It asks the store for the head
// and for the first event that each is behind with; if that fails, it returns the error and what it knows without.
func (r *Runner) Status(ctx context.Context) ([]Status, error) {
	var failed error
	all := make([]Status, len(r.workers))
	for i, w := range r.workers {
		now, _ := w.gauge.read()
		all[i] = now.Status
		if failed != nil {
			continue
		}
		if err := w.measure(ctx, now.known, &all[i]); err != nil {
			failed = fmt.Errorf("projection: status of %q: %w", w.name, err)
		}
	}
	return all, failed
}

// measure adds to a status what the store knows.
func (w *worker) measure(ctx context.Context, known bool, s *Status) (err error) {
	if !known {
		if s.Position, err = w.store.LoadCheckpoint(ctx, w.name); err != nil {
			return err
		}
	}
	if s.Head, err = w.store.Head(ctx); err != nil {
		return err
	}
	page, err := w.store.ReadAll(ctx, s.Position, &eventstore.ReadOptions{Types: w.recipe.types,
		StreamTypes: w.opts.StreamTypes, Limit: 1, Raw: true})
	if err != nil || len(page.Events) == 0 {
		return err
	}
	first := page.Events[0]
	s.Head = max(s.Head, first.Position)
	s.Lag = s.Head - first.Position + 1
	s.Behind = max(0, w.store.Now().Sub(first.RecordedAt))
	return nil
}
