package projection_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var (
	errBroken = errors.New("the disk is broken")
	errLost   = fmt.Errorf("the cable is out: %w", driver.ErrUnavailable)
)

// faults is what goes wrong in a driver. A nil function is nothing.
type faults struct {
	mu     sync.Mutex
	load   func() error
	read   func(q driver.AllQuery, p *driver.Page) error // may change the page
	save   func(from, to int64) error                    // instead of saving
	saved  func(to int64) error                          // after saving
	commit func() error                                  // instead of a transaction's commit
	answer func() error                                  // after a transaction's commit

	watches atomic.Int64 // calls of Watch
}

// set changes the faults while runners run.
func (f *faults) set(change func(f *faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func fault[F any](f *faults, pick func(*faults) F) F {
	f.mu.Lock()
	defer f.mu.Unlock()
	return pick(f)
}

func call(fn func() error) error {
	if fn == nil {
		return nil
	}
	return fn()
}

func (f *faults) loadCheckpoint(load func() (int64, error)) (int64, error) {
	if err := call(fault(f, func(f *faults) func() error { return f.load })); err != nil {
		return 0, err
	}
	return load()
}

func (f *faults) saveCheckpoint(from, to int64, save func() error) error {
	if before := fault(f, func(f *faults) func(int64, int64) error { return f.save }); before != nil {
		if err := before(from, to); err != nil {
			return err
		}
	}
	if err := save(); err != nil {
		return err
	}
	if after := fault(f, func(f *faults) func(int64) error { return f.saved }); after != nil {
		return after(to)
	}
	return nil
}

func (f *faults) readAll(q driver.AllQuery, read func() (driver.Page, error)) (driver.Page, error) {
	page, err := read()
	if spoil := fault(f, func(f *faults) func(driver.AllQuery, *driver.Page) error { return f.read }); spoil != nil && err == nil {
		err = spoil(q, &page)
	}
	return page, err
}

// times returns a fault that happens n times.
func times(n int, err error) func() error {
	var mu sync.Mutex
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if n--; n >= 0 {
			return err
		}
		return nil
	}
}

// faultyMemory is the memory driver with faults.
type faultyMemory struct {
	*memory.Store
	faults *faults
}

func (m faultyMemory) Watch(ctx context.Context, wake func()) error {
	m.faults.watches.Add(1)
	return m.Store.Watch(ctx, wake)
}

func (m faultyMemory) LoadCheckpoint(ctx context.Context, name string) (int64, error) {
	return m.faults.loadCheckpoint(func() (int64, error) { return m.Store.LoadCheckpoint(ctx, name) })
}

func (m faultyMemory) SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error {
	return m.faults.saveCheckpoint(from, to, func() error { return m.Store.SaveCheckpoint(ctx, name, from, to, at) })
}

func (m faultyMemory) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	return m.faults.readAll(q, func() (driver.Page, error) { return m.Store.ReadAll(ctx, q) })
}

// faultySQLite is the SQLite driver with faults.
type faultySQLite struct {
	*sqlite.Store
	faults *faults
}

func (s faultySQLite) LoadCheckpoint(ctx context.Context, name string) (int64, error) {
	return s.faults.loadCheckpoint(func() (int64, error) { return s.Store.LoadCheckpoint(ctx, name) })
}

func (s faultySQLite) SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error {
	return s.faults.saveCheckpoint(from, to, func() error { return s.Store.SaveCheckpoint(ctx, name, from, to, at) })
}

func (s faultySQLite) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	return s.faults.readAll(q, func() (driver.Page, error) { return s.Store.ReadAll(ctx, q) })
}

func (s faultySQLite) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	err := s.Store.Transact(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return call(fault(s.faults, func(f *faults) func() error { return f.commit }))
	})
	if err != nil {
		return err
	}
	return call(fault(s.faults, func(f *faults) func() error { return f.answer }))
}

// bare is a driver without any capability.
type bare struct{ driver.Store }
