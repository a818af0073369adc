package sqlite

import (
	"context"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// pollEvery is how often a Watch looks for the commits of other processes.
const pollEvery = 25 * time.Millisecond

// Watch implements driver.Waiter. Commits through this Store and in transactions on its DB ring at once; those of other
// processes show in the file's data version, which changes with every commit by another connection.
func (s *Store) Watch(ctx context.Context, wake func()) error {
	rung := s.bell.listen()
	defer s.bell.forget(rung)
	if s.file.inMemory() {
		return s.file.wrap(ctx, "watch for commits", follow(ctx, rung, nil, never, wake))
	}
	v, err := s.watchVersion(ctx)
	if err != nil {
		return s.file.wrap(ctx, "watch for commits", err)
	}
	defer v.close()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	return s.file.wrap(ctx, "watch for commits", follow(ctx, rung, ticker.C, v.changed, wake))
}

func never(context.Context) (bool, error) { return false, nil }

func follow(ctx context.Context, rung <-chan struct{}, ticks <-chan time.Time,
	changed func(context.Context) (bool, error), wake func()) error {
	wake()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-rung:
			wake()
		case <-ticks:
			changed, err := changed(ctx)
			if err != nil {
				return err
			}
			if changed {
				wake()
			}
		}
	}
}

// version is a file's data version, which can only be compared on one and the same connection.
type version struct {
	db       *sqlx.DB
	conn     *sqlx.Conn
	patience time.Duration
	last     int64
}

func (s *Store) watchVersion(ctx context.Context) (*version, error) {
	db, err := s.file.openReaders(1)
	if err != nil {
		return nil, err
	}
	v := &version{db: db, patience: s.writer.patience}
	err = patiently(ctx, v.patience, func() (err error) {
		v.conn, err = db.Connx(ctx)
		return err
	})
	if err == nil {
		_, err = v.changed(ctx)
	}
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *version) changed(ctx context.Context) (bool, error) {
	last := v.last
	err := patiently(ctx, v.patience, func() error {
		return v.conn.QueryRowxContext(ctx, "PRAGMA data_version").Scan(&v.last)
	})
	return v.last != last, err
}

// close closes a connection that has only read: there is nothing to lose.
func (v *version) close() {
	if v.conn != nil {
		_ = v.conn.Close()
	}
	_ = v.db.Close()
}

// bell tells everybody who listens. One who has not heard the last ring yet hears both at once.
type bell struct {
	mu        sync.Mutex
	listeners map[chan struct{}]struct{}
}

func (b *bell) listen() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = make(map[chan struct{}]struct{})
	}
	rung := make(chan struct{}, 1)
	b.listeners[rung] = struct{}{}
	return rung
}

func (b *bell) forget(rung chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listeners, rung)
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for rung := range b.listeners {
		select {
		case rung <- struct{}{}:
		default:
		}
	}
}
