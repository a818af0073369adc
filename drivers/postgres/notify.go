package postgres

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// sendNotify is a transaction of its own, never a part of an append: NOTIFY takes a lock on the whole database when its
// transaction commits. Nobody waits for it to be on disk.
const sendNotify = `SELECT pg_notify($1::text, $2::text)::text, set_config('synchronous_commit', 'off', true)`

// voice tells other processes of appends that have ended. One notification stands for all since the one before it. One
// that is lost costs them a poll interval, so a failure is not made up for.
type voice struct {
	news     *news
	interval time.Duration
	ends     chan struct{} // of one place
	quit     chan struct{}

	mu      sync.Mutex
	running chan struct{} // closed when the goroutine has ended; nil before the first append
}

func (v *voice) init(n *news, interval time.Duration) {
	v.news, v.interval = n, interval
	v.ends = make(chan struct{}, 1)
	v.quit = make(chan struct{})
}

func (v *voice) speak() {
	if v.interval < 0 {
		return
	}
	v.start()
	select {
	case v.ends <- struct{}{}:
	default:
	}
}

func (v *voice) start() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running == nil {
		v.running = make(chan struct{})
		go v.run(v.running)
	}
}

// close sends what is still to be sent, and returns when the goroutine has ended.
func (v *voice) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.quit)
	if v.running != nil {
		<-v.running
	}
}

func (v *voice) run(ended chan<- struct{}) {
	defer close(ended)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-v.quit:
		}
		select {
		case <-v.ends:
			v.notify()
		case <-v.quit:
			v.flush()
			return
		}
		pause.Reset(v.interval)
	}
}

func (v *voice) flush() {
	select {
	case <-v.ends:
		v.notify()
	default:
	}
}

func (v *voice) notify() {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := v.news.store
	_, _ = returning(ctx, func() (struct{}, error) {
		return struct{}{}, conn{store: s}.each(ctx, s.sql.notify, func(*sql.Rows) error { return nil }, s.options.Schema, v.news.name)
	})
}
