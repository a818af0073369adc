package projection

import (
	"fmt"
	"sync"
	"time"
)

// board is what a runner knows of one of its projections. It is safe for concurrent use.
type board struct {
	mu       sync.Mutex
	changed  chan struct{} // closed at the next change
	control  control       // as last seen
	seen     bool          // control is more than a guess
	rows     []string      // of the live layout's partitions
	readings map[string]*reading
	running  bool  // Run is under way
	ended    error // why nothing of it runs here any longer; nil if it does, or has not begun
	tenures  Tenures
}

// reading is what a worker of this runner shows of its partition.
type reading struct {
	PartitionStatus
	known   bool  // Position is where it stands
	held    bool  // the worker runs
	stop    error // why it has given up
	resumed int   // control.Resumed when it did: with the next Resume it is tried again
	meter   meter
}

// Tenures counts what has happened to this runner's ownership of a projection's partitions since the runner was made.
type Tenures struct {
	Taken  int64 // it became the owner of a partition
	Lost   int64 // it was the owner, and another runner took over, or may have
	Denied int64 // it found another runner to be the owner
}

// view is a board at one moment.
type view struct {
	control  control
	seen     bool
	readings map[string]reading
	running  bool
	ended    error
	tenures  Tenures
	changed  <-chan struct{}
}

func (b *board) init() {
	b.changed = make(chan struct{})
	b.control = newControl()
	b.readings = map[string]*reading{}
}

func (b *board) view() view {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := view{control: b.control, seen: b.seen, running: b.running, ended: b.ended, tenures: b.tenures,
		changed: b.changed, readings: make(map[string]reading, len(b.readings))}
	now := time.Now()
	for row, r := range b.readings {
		shown := *r
		shown.Rate = r.meter.perSecond(now)
		v.readings[row] = shown
		r.meter = shown.meter
	}
	return v
}

func (b *board) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// began forgets what an earlier Run has left.
func (b *board) began() {
	b.change(func() { b.readings, b.running, b.ended, b.seen = map[string]*reading{}, true, nil, false })
}

// saw takes note of the projection's document.
func (b *board) saw(projection string, c control) {
	b.change(func() {
		b.control, b.seen, b.rows = c, true, nil
		for _, p := range c.Live.parts(projection) {
			b.rows = append(b.rows, p.row())
		}
	})
}

func (b *board) resumed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.control.Resumed
}

func (b *board) terms(l layout) terms {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.control.terms(l)
}

// reached reports whether every partition has handled a position, as far as this runner knows; local, whether it knows
// all there is to know, because it runs all of them. changed is closed when there is news.
func (b *board) reached(position int64) (yes, local bool, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	yes, local = b.seen, b.seen
	for _, row := range b.rows {
		r := b.readings[row]
		yes = yes && r != nil && r.known && r.Position >= position
		local = local && r != nil && r.held
	}
	return yes, local, b.changed
}

// failed takes note of what keeps the runner from taking the partitions.
func (b *board) failed(projection string, err error) {
	b.change(func() {
		for _, p := range b.control.Live.parts(projection) {
			r := b.readings[p.row()]
			if r == nil {
				r = &reading{PartitionStatus: PartitionStatus{Partition: p.number}}
				b.readings[p.row()] = r
			}
			if !r.held {
				r.State, r.LastError, r.LastErrorAt = StateRetrying, err, time.Now()
			}
		}
	})
}

// errRunnerEnded is why a projection does not run any longer that has not failed.
var errRunnerEnded = fmt.Errorf("%w: its runner has ended", ErrStopped)

// end takes note of the end of the runner, or of what it failed with.
func (b *board) end(reason error) {
	b.change(func() {
		b.running, b.ended = false, reason
		if reason == nil {
			b.ended = errRunnerEnded
		}
	})
}

func (b *board) count(f func(t *Tenures)) { b.change(func() { f(&b.tenures) }) }

// gauge is where a worker shows how it is doing.
type gauge struct {
	board *board
	row   string
}

func (g gauge) change(f func(r *reading)) {
	g.board.change(func() {
		r := g.board.readings[g.row]
		if r == nil {
			r = new(reading)
			g.board.readings[g.row] = r
		}
		f(r)
	})
}

func (g gauge) began(number int, owner string) {
	g.change(func(r *reading) {
		*r = reading{held: true, PartitionStatus: PartitionStatus{Partition: number, State: StateStarting, Owner: owner,
			LastError: r.LastError, LastErrorAt: r.LastErrorAt}}
	})
}

func (g gauge) advanced(state State, position int64, events int, p Progress) {
	g.change(func(r *reading) {
		r.known, r.State, r.Position, r.Progress = true, state, position, Progress{}
		if state == StateCatchingUp {
			r.Progress = p
		}
		r.meter.add(time.Now(), events)
	})
}

// handled takes note of events that were handled apart from the batches.
func (g gauge) handled(position int64, events int) {
	g.change(func(r *reading) {
		r.known, r.Position = true, max(r.Position, position)
		r.meter.add(time.Now(), events)
	})
}

func (g gauge) failed(err error) {
	g.change(func(r *reading) { r.State, r.LastError, r.LastErrorAt = StateRetrying, err, time.Now() })
}

// parked takes note of how many streams are parked.
func (g gauge) parked(streams int) { g.change(func(r *reading) { r.Parked = streams }) }

// stopped takes note of why the partition was given up, and of control.Resumed at that time.
func (g gauge) stopped(reason error, resumed int) {
	g.change(func(r *reading) {
		r.State, r.stop, r.resumed, r.LastError, r.LastErrorAt = StateStopped, reason, resumed, reason, time.Now()
	})
}

// left takes note of the end of the worker.
func (g gauge) left() {
	g.change(func(r *reading) { r.held, r.Owner = false, "" })
}

// note is what others are told.
func (g gauge) note() (n note) {
	g.board.mu.Lock()
	defer g.board.mu.Unlock()
	r := g.board.readings[g.row]
	n.State, n.Rate, n.Parked, n.Progress = r.State, r.meter.perSecond(time.Now()), r.Parked, r.Progress
	if r.LastError != nil {
		n.Error, n.ErrorAt = r.LastError.Error(), r.LastErrorAt.UTC()
	}
	return n
}
