package eventstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// groupCommit lets concurrent appends share commits. A commit that finds the database idle goes at once, by itself, in
// its caller's goroutine. Once as many are in flight as the database likes side by side, later ones queue up, and when
// a flight lands those that wait ride the next one together. So an idle store adds no latency, a busy one pays one
// round trip and one sync to disk for many appends, and nothing here needs a timer. How many the database likes side by
// side depends on how long a commit takes, as pace finds it.
type groupCommit struct {
	drv     driver.Store
	batcher driver.BatchCommitter // nil if the driver has none: then every commit goes by itself
	limits  driver.Batching
	flights sync.WaitGroup // the batches in flight

	mu     sync.Mutex
	direct int // commits in flight by themselves
	lanes  int // batches in flight
	riding int // commits in these batches
	pace   pace
	queue  []*queued
	bytes  int           // of payload in queue
	room   chan struct{} // closed when the queue gets shorter
}

// queued is a commit in the queue or in a batch.
type queued struct {
	ctx           context.Context // the caller's
	writes        []driver.Write
	events, bytes int
	outcome       driver.Outcome
	landed        chan struct{} // closed when outcome is set
}

// The queue's bounds; beyond them callers wait. A commit larger than maxQueuedBytes is let in alone.
const (
	maxQueued      = 4096
	maxQueuedBytes = 64 << 20
)

func (g *groupCommit) init(d driver.Store) {
	g.drv = d
	g.room = make(chan struct{})
	if g.batcher, _ = d.(driver.BatchCommitter); g.batcher != nil {
		g.limits = g.batcher.Batching()
	}
}

// commit returns what driver.Store's Commit returns. It ends when ctx ends: a commit that still waits is taken out of
// the queue and not written; of one in flight the outcome is unknown.
func (g *groupCommit) commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	q := newQueued(ctx, writes)
	direct, err := g.enter(ctx, q)
	if err != nil {
		return nil, err
	}
	if direct {
		return g.commitDirect(ctx, q)
	}
	select {
	case <-q.landed:
		if !errors.Is(q.outcome.Err, context.Canceled) || ctx.Err() == nil { // else the flight ended because ctx did
			return q.outcome.Receipts, q.outcome.Err
		}
	case <-ctx.Done():
		if g.withdraw(q) {
			return nil, fmt.Errorf("nothing written, it still waited for its turn: %w", ctx.Err())
		}
	}
	return nil, fmt.Errorf("outcome unknown, it was under way: %w", ctx.Err())
}

func (g *groupCommit) commitDirect(ctx context.Context, q *queued) ([]driver.Receipt, error) {
	began := time.Now()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.direct--
		g.pace.note([]*queued{q}, time.Since(began), &g.limits)
		g.launch()
	}()
	q.outcome.Receipts, q.outcome.Err = g.drv.Commit(ctx, q.writes)
	return q.outcome.Receipts, q.outcome.Err
}

func newQueued(ctx context.Context, writes []driver.Write) *queued {
	q := &queued{ctx: ctx, writes: writes, landed: make(chan struct{})}
	for i := range writes {
		q.events += len(writes[i].Events)
		for j := range writes[i].Events {
			q.bytes += len(writes[i].Events[j].Data) + len(writes[i].Events[j].Metadata)
		}
	}
	return q
}

// enter decides whether a commit goes directly; else it stands in the queue when enter returns.
func (g *groupCommit) enter(ctx context.Context, q *queued) (direct bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.free() {
		if len(g.queue) < maxQueued && (g.bytes == 0 || g.bytes+q.bytes <= maxQueuedBytes) {
			g.queue = append(g.queue, q)
			g.bytes += q.bytes
			g.launch()
			return false, nil
		}
		if err := g.waitForRoom(ctx); err != nil {
			return false, err
		}
	}
	g.direct++
	return true, nil
}

// free reports whether a commit may go directly. It never overtakes those that wait. g.mu is held.
func (g *groupCommit) free() bool {
	switch {
	case g.batcher == nil:
		return true
	case len(g.queue) > 0:
		return false
	case g.pace.slow:
		return g.direct+g.riding < g.limits.DirectIfSlow
	default:
		return g.lanes == 0 && g.direct < g.limits.Direct
	}
}

// besides is how many flights there may be at a time. g.mu is held.
func (g *groupCommit) besides() int {
	if g.pace.slow {
		return max(g.limits.DirectIfSlow, g.limits.Lanes)
	}
	return max(g.limits.Direct, g.limits.Lanes)
}

// waitForRoom lets go of g.mu while it waits.
func (g *groupCommit) waitForRoom(ctx context.Context) error {
	room := g.room
	g.mu.Unlock()
	defer g.mu.Lock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("nothing written, the queue of appends was full: %w", ctx.Err())
	}
}

// withdraw takes a commit out of the queue; it reports false if it is not there any more.
func (g *groupCommit) withdraw(q *queued) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.queue {
		if g.queue[i] == q {
			g.queue = append(g.queue[:i:i], g.queue[i+1:]...)
			g.shrunk(q.bytes)
			return true
		}
	}
	return false
}

// launch sends batches off while there is a free lane and somebody waits. g.mu is held.
func (g *groupCommit) launch() {
	for len(g.queue) > 0 && g.lanes < g.limits.Lanes && g.lanes+g.direct < g.besides() {
		g.lanes++
		batch := g.take()
		g.flights.Go(func() { g.fly(batch) })
	}
}

// take cuts the next batch off the queue. g.mu is held.
func (g *groupCommit) take() []*queued {
	n, events, bytes := 0, 0, 0
	for n < len(g.queue) && n < g.limits.MaxCommits {
		q := g.queue[n]
		if n > 0 && events+q.events > g.limits.MaxEvents {
			break
		}
		n, events, bytes = n+1, events+q.events, bytes+q.bytes
	}
	batch := append([]*queued(nil), g.queue[:n]...)
	clear(g.queue[:n])
	g.queue = g.queue[n:]
	g.riding += n
	g.shrunk(bytes)
	return batch
}

// shrunk tells those who wait that there is room. g.mu is held.
func (g *groupCommit) shrunk(bytes int) {
	g.bytes -= bytes
	close(g.room)
	g.room = make(chan struct{})
}

// fly commits batch after batch until nobody waits. The callers' contexts play no part in it: one that ends must not
// take the others down. Those whose commits have landed are let run first, because they tend to come back with the next
// ones, which would otherwise miss the batch.
func (g *groupCommit) fly(batch []*queued) {
	for len(batch) > 0 {
		began := time.Now()
		g.commitBatch(batch)
		took := time.Since(began)
		runtime.Gosched()
		g.mu.Lock()
		g.riding -= len(batch)
		g.pace.note(batch, took, &g.limits)
		if batch = g.take(); len(batch) == 0 {
			g.lanes--
		}
		g.mu.Unlock()
	}
}

func (g *groupCommit) commitBatch(batch []*queued) {
	ctx, land := flight(batch)
	defer land()
	outcomes, err := g.outcomes(ctx, batch)
	for i, q := range batch {
		if err != nil {
			q.outcome = driver.Outcome{Err: err}
		} else {
			q.outcome = outcomes[i]
		}
		close(q.landed)
	}
}

// flight returns the context of a batch. One caller's that ends must not take the others down, so it ends with the last
// of them: what nobody waits for must not keep the lane, as a connection would that never answers.
func flight(batch []*queued) (ctx context.Context, land func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var waiting atomic.Int64
	waiting.Store(int64(len(batch)))
	stops := make([]func() bool, len(batch))
	for i, q := range batch {
		stops[i] = context.AfterFunc(q.ctx, func() {
			if waiting.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

func (g *groupCommit) outcomes(ctx context.Context, batch []*queued) ([]driver.Outcome, error) {
	if len(batch) == 1 {
		receipts, err := g.drv.Commit(ctx, batch[0].writes)
		return []driver.Outcome{{Receipts: receipts, Err: err}}, nil
	}
	commits := make([][]driver.Write, len(batch))
	for i, q := range batch {
		commits[i] = q.writes
	}
	outcomes, err := g.batcher.CommitBatch(ctx, commits)
	if err == nil && len(outcomes) != len(commits) {
		err = errors.New("the driver lost count of a batch's outcomes")
	}
	return outcomes, err
}
