package eventstore

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// tide tells the readers that wait at the head that there may be more. While any of them listens, and only then, one
// goroutine watches for the commits of other stores and processes.
type tide struct {
	waiter driver.Waiter // nil if the driver has none
	poll   time.Duration // the caller's; 0 for the defaults
	log    *slog.Logger
	head   func(ctx context.Context) (int64, error)

	mu        sync.Mutex
	changed   chan struct{} // closed at the next change; nil while nobody has asked for it
	listeners int
	watch     *watch // nil while nobody listens
	latest    *look  // nil before the first
	closed    bool
}

// watch is one run of the watching goroutine.
type watch struct {
	cancel  context.CancelFunc
	done    chan struct{}
	hearing bool // the driver reports every commit, ours included; guarded by tide.mu
}

const (
	pollHearing  = time.Second           // when only a lost notification is to be made up for
	pollDeaf     = 50 * time.Millisecond // when polling is all there is
	minRewatch   = time.Second           // between two tries to hear again
	maxRewatch   = 30 * time.Second
	lastingWatch = time.Minute // a watch that lasted this long starts over with minRewatch
)

func (t *tide) init(d driver.Store, o *Options, head func(ctx context.Context) (int64, error)) {
	t.waiter, _ = d.(driver.Waiter)
	t.poll, t.log, t.head = o.PollInterval, o.Logger, head
}

// next returns a channel that is closed at the next change. While nobody listens, only commits of this store are changes;
// what other processes do meanwhile counts as one as soon as somebody does, since a watch begins with a wake.
func (t *tide) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.changed
}

// wake tells every waiting reader to look again. t.mu is held.
func (t *tide) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// committed wakes the readers for a commit of this store, unless the driver does.
func (t *tide) committed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.hearing() {
		t.wake()
	}
}

// hearing reports whether the driver tells of every commit. t.mu is held.
func (t *tide) hearing() bool { return t.watch != nil && t.watch.hearing }

// Listen keeps the store hearing of other processes' commits until stop is called, which waits until nothing is left
// running. Subscribe and Wait listen by themselves; who calls Wait again and again spares the driver a new connection
// each time by listening around it.
func (s *Store) Listen() (stop func()) {
	return sync.OnceFunc(s.tide.listen())
}

// listen announces a reader and returns the function with which it leaves.
func (t *tide) listen() (leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listeners++
	if t.waiter != nil && t.watch == nil && !t.closed {
		ctx, cancel := context.WithCancel(context.Background())
		t.watch = &watch{cancel: cancel, done: make(chan struct{})}
		go t.run(ctx, t.watch)
	}
	return t.leave
}

// leave ends the watch with its last listener, and waits for it, so that no goroutine outlives the reader it is for.
func (t *tide) leave() {
	t.mu.Lock()
	t.listeners--
	var w *watch
	if t.listeners == 0 {
		w, t.watch = t.watch, nil
	}
	t.mu.Unlock()
	w.end()
}

// close wakes the readers, which then find the store closed, and ends the watch.
func (t *tide) close() {
	t.mu.Lock()
	t.closed = true
	w := t.watch
	t.watch = nil
	t.wake()
	t.mu.Unlock()
	w.end()
}

func (w *watch) end() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}

// run hears of commits until its context ends; while it can't, it says so once and the readers poll.
func (t *tide) run(ctx context.Context, w *watch) {
	defer close(w.done)
	again := minRewatch
	for ctx.Err() == nil {
		began := time.Now()
		err := t.waiter.Watch(ctx, func() { t.heard(w) })
		if ctx.Err() != nil {
			return
		}
		if t.lost(w) || again == minRewatch {
			t.log.Warn("tidemark: can't hear of other processes' commits, readers poll", "error", err)
		}
		if time.Since(began) > lastingWatch {
			again = minRewatch
		}
		_ = pause(ctx, again)
		again = min(2*again, maxRewatch)
	}
}

func (t *tide) heard(w *watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.hearing = true
	t.wake()
}

// lost reports whether the watch had been hearing.
func (t *tide) lost(w *watch) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := w.hearing
	w.hearing = false
	return was
}
