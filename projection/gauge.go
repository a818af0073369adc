package projection

import (
	"fmt"
	"sync"
	"time"
)

// gauge is what others see of a worker. It is safe for concurrent use.
type gauge struct {
	mu      sync.Mutex
	reading reading
	changed chan struct{} // closed at the next change
	meter   meter
}

// reading is a status as far as the worker knows it.
type reading struct {
	Status
	known bool  // Position is where the projection stands
	stop  error // why it does not run any longer; nil if it does or has not begun
}

func (g *gauge) init(name string) {
	g.changed = make(chan struct{})
	g.reading.Projection, g.reading.State = name, StateStarting
}

// read returns the reading and what is closed when there is another one.
func (g *gauge) read() (reading, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.reading
	r.Rate = g.meter.perSecond(time.Now())
	return r, g.changed
}

func (g *gauge) change(f func(r *reading)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(&g.reading)
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gauge) began(owner string) {
	g.change(func(r *reading) {
		*r = reading{Status: Status{Projection: r.Projection, State: StateStarting, Owner: owner}}
		g.meter = meter{}
	})
}

func (g *gauge) advanced(state State, position int64, events int) {
	g.change(func(r *reading) {
		r.known, r.State, r.Position = true, state, position
		g.meter.add(time.Now(), events)
	})
}

func (g *gauge) failed(err error) {
	g.change(func(r *reading) { r.State, r.LastError, r.LastErrorAt = StateRetrying, err, time.Now() })
}

// errRunnerEnded is why a projection does not run any longer that has not failed.
var errRunnerEnded = fmt.Errorf("%w: its runner has ended", ErrStopped)

// ended takes note of why the projection does not run any longer; nil if it ended with its runner.
func (g *gauge) ended(reason error) {
	g.change(func(r *reading) {
		r.State, r.Owner, r.stop = StateStopped, "", reason
		if reason == nil {
			r.stop = errRunnerEnded
			return
		}
		r.LastError, r.LastErrorAt = reason, time.Now()
	})
}
