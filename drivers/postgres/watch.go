package postgres

import (
	"context"
	"crypto/rand"
	"sync"
)

// news brings word of appends that have ended: of this store's own directly to its watchers, through voice to other
// processes, and from those through an ear, which is there while anybody watches.
type news struct {
	store *Store
	name  string // tells our own notifications from others'
	voice voice
	pings pings

	mu      sync.Mutex
	ear     *ear // nil while nobody watches
	hearing map[*watcher]bool
}

// watcher is a Watch call.
type watcher struct{ wake func() }

func (n *news) init(s *Store) {
	n.store = s
	n.name = rand.Text()
	n.pings = defaultPings()
	n.hearing = make(map[*watcher]bool)
	n.voice.init(n, s.options.NotifyInterval)
}

// Watch implements driver.Waiter. All Watch calls share one connection of their own, which listens; when it is lost they
// all end.
func (s *Store) Watch(ctx context.Context, wake func()) error {
	return failed(ctx, "watch for commits", s.news.watch(ctx, &watcher{wake}))
}

func (n *news) watch(ctx context.Context, w *watcher) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := n.join()
	defer n.leave(e, w)
	select {
	case <-e.listening:
		n.begin(w)
	case <-e.ended:
		return e.err
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-e.ended:
		return e.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin wakes a watcher for what may have been committed before it could hear.
func (n *news) begin(w *watcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hearing[w] = true
	w.wake()
}

// moved tells that the mark may have moved: an append of this store has ended, whether it was committed or held up others
// only.
func (n *news) moved() {
	n.wake()
	n.voice.speak()
}

func (n *news) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.hearing {
		w.wake()
	}
}

// join makes an ear for the first watcher, or for the first after an ear was lost.
func (n *news) join() *ear {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ear == nil || n.ear.over() {
		n.ear = openEar(n)
	}
	n.ear.users++
	return n.ear
}

// leave closes the ear with its last watcher, and waits for it.
func (n *news) leave(e *ear, w *watcher) {
	n.mu.Lock()
	delete(n.hearing, w)
	e.users--
	last := e.users == 0
	if last && n.ear == e {
		n.ear = nil
	}
	n.mu.Unlock()
	if last {
		e.close()
	}
}
