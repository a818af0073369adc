package projection_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

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
	begin  func() error                                  // before a transaction
	commit func() error                                  // instead of a transaction's commit
	answer func() error                                  // after a transaction's commit
	delete func() error                                  // before a dead letter is deleted
	call   func() error                                  // before any call: another one of the process that has the faults

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

// enter is what happens before any call.
func (f *faults) enter() error {
	return call(fault(f, func(f *faults) func() error { return f.call }))
}

// loading is what happens before a checkpoint is loaded, or a lease taken.
func (f *faults) loading() error {
	return errors.Join(f.enter(), call(fault(f, func(f *faults) func() error { return f.load })))
}

// saving is what happens around a checkpoint's move. To save it where it is, as an idle owner does, is none.
func (f *faults) saving(from, to int64, save func() error) error {
	if err := f.enter(); err != nil {
		return err
	}
	before := fault(f, func(f *faults) func(int64, int64) error { return f.save })
	after := fault(f, func(f *faults) func(int64) error { return f.saved })
	if before != nil && from != to {
		if err := before(from, to); err != nil {
			return err
		}
	}
	if err := save(); err != nil || after == nil || from == to {
		return err
	}
	return after(to)
}

// kill makes every call fail from now on, as for a process that is no more. frozen returns what thaws it again, until when
// every call waits.
func (f *faults) kill() {
	f.set(func(f *faults) { f.call = func() error { return errLost } })
}

func (f *faults) freeze() (thaw func()) {
	frozen := make(chan struct{})
	f.set(func(f *faults) { f.call = func() error { <-frozen; return nil } })
	return func() {
		f.set(func(f *faults) { f.call = nil })
		close(frozen)
	}
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

// backend is what every driver of ours can do.
type backend interface {
	driver.Store
	driver.Checkpointer
	driver.Leaser
	driver.DeadLetterer
	driver.Snapshotter
}

// faulty is a driver with faults.
type faulty struct {
	backend
	faults *faults
}

func (d faulty) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	if err := d.faults.enter(); err != nil {
		return nil, err
	}
	return d.backend.Commit(ctx, writes)
}

func (d faulty) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	if err := d.faults.enter(); err != nil {
		return driver.Page{}, err
	}
	page, err := d.backend.ReadAll(ctx, q)
	spoil := fault(d.faults, func(f *faults) func(driver.AllQuery, *driver.Page) error { return f.read })
	if spoil != nil && err == nil {
		err = spoil(q, &page)
	}
	return page, err
}

func (d faulty) LoadCheckpoint(ctx context.Context, name string) (int64, error) {
	if err := d.faults.loading(); err != nil {
		return 0, err
	}
	return d.backend.LoadCheckpoint(ctx, name)
}

func (d faulty) SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error {
	return d.faults.saving(from, to, func() error { return d.backend.SaveCheckpoint(ctx, name, from, to, at) })
}

func (d faulty) Acquire(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
	if err := d.faults.loading(); err != nil {
		return driver.Lease{}, err
	}
	return d.backend.Acquire(ctx, name, owner, now, until)
}

func (d faulty) SaveLease(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
	return d.faults.saving(from, l.Position, func() error { return d.backend.SaveLease(ctx, l, from, at) })
}

func (d faulty) ReleaseLease(ctx context.Context, name string, token int64, at time.Time) error {
	if err := d.faults.enter(); err != nil {
		return err
	}
	return d.backend.ReleaseLease(ctx, name, token, at)
}

func (d faulty) DeleteDeadLetter(ctx context.Context, projection string, position int64) error {
	if err := call(fault(d.faults, func(f *faults) func() error { return f.delete })); err != nil {
		return err
	}
	return d.backend.DeleteDeadLetter(ctx, projection, position)
}

func (d faulty) Leases(ctx context.Context, prefix string) ([]driver.Lease, error) {
	if err := d.faults.enter(); err != nil {
		return nil, err
	}
	return d.backend.Leases(ctx, prefix)
}

// faultyWaiter is one that hears of commits.
type faultyWaiter struct {
	faulty
	waiter driver.Waiter
}

func (d faultyWaiter) Watch(ctx context.Context, wake func()) error {
	d.faults.watches.Add(1)
	return d.waiter.Watch(ctx, wake)
}

// faultyTransactor is one that has transactions.
type faultyTransactor struct {
	faulty
	driver.Transactor
}

func (d faultyTransactor) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := d.faults.enter(); err != nil {
		return err
	}
	if err := call(fault(d.faults, func(f *faults) func() error { return f.begin })); err != nil {
		return err
	}
	err := d.Transactor.Transact(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return call(fault(d.faults, func(f *faults) func() error { return f.commit }))
	})
	if err != nil {
		return err
	}
	return call(fault(d.faults, func(f *faults) func() error { return f.answer }))
}

// faultySQL is one that has both.
type faultySQL struct {
	faultyTransactor
	waiter driver.Waiter
}

func (d faultySQL) Watch(ctx context.Context, wake func()) error { return d.waiter.Watch(ctx, wake) }

// unleased is a driver that knows no owners.
type unleased struct {
	driver.Store
	driver.Checkpointer
	driver.Transactor
}

// bare is a driver without any capability.
type bare struct{ driver.Store }
