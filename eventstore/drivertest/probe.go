package drivertest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// probe is what a case works with: a database, the first handle on it, and ways to fail. Methods without an error result
// end the case when something goes wrong, so they must be called by the case's own goroutine; the others may be called
// by any.
type probe struct {
	*handle
	open     Opener
	db       *Database
	ctx      context.Context
	cancel   context.CancelFunc
	patience time.Duration
	handles  []*handle
	removes  []func() error // of all databases
	running  sync.WaitGroup
}

// handle is a driver on the case's database.
type handle struct {
	p      *probe
	drv    driver.Store
	store  *eventstore.Store // owns drv once it is there
	closed bool
}

func newProbe(ctx context.Context, open Opener, patience time.Duration) (*probe, error) {
	p := &probe{open: open, patience: patience}
	p.ctx, p.cancel = context.WithCancel(ctx)
	db, err := obtain(p, "the Opener", func() (*Database, error) { return open(ctx) })
	if err != nil {
		p.cancel()
		return nil, fmt.Errorf("open a database: %w", err)
	}
	p.db, p.handle = db, p.take(db)
	return p, nil
}

// take makes p the owner of a database and returns the handle on it.
func (p *probe) take(db *Database) *handle {
	if db.Remove != nil {
		p.removes = append(p.removes, db.Remove)
	}
	return p.add(db.Store)
}

// foreign returns a handle on another database.
func (p *probe) foreign() *handle {
	db, err := obtain(p, "the Opener", func() (*Database, error) { return p.open(p.ctx) })
	p.ok(err, "open another database")
	return p.take(db)
}

func (p *probe) add(drv driver.Store) *handle {
	h := &handle{p: p, drv: drv}
	p.handles = append(p.handles, h)
	return h
}

// another opens one more handle: another process on the same database.
func (p *probe) another() *handle {
	drv, err := obtain(p, "Database.Reopen", func() (driver.Store, error) { return p.db.Reopen(p.ctx) })
	p.ok(err, "open another handle on the database")
	return p.add(drv)
}

// handlePair returns the first handle and another one, or the first one twice if there is no other.
func (p *probe) handlePair() []*handle {
	if p.db.Reopen == nil {
		return []*handle{p.handle, p.handle}
	}
	return []*handle{p.handle, p.another()}
}

// restart closes all handles and opens the database again.
func (p *probe) restart() {
	p.ok(p.closeHandles(), "close the database before opening it again")
	p.handle = p.another()
}

// portable returns an eventstore.Store on the handle's driver, which polls only after the case has ended. The goroutine of
// the case asks for it first.
func (h *handle) portable() *eventstore.Store {
	if h.store == nil {
		var err error
		h.store, err = eventstore.New(h.drv, registry(), &eventstore.Options{PollInterval: 2 * h.p.patience})
		h.p.ok(err, "make an eventstore.Store of the driver")
	}
	return h.store
}

func (h *handle) close() error {
	if h.closed {
		return nil
	}
	h.closed = true
	if h.store != nil {
		return h.p.inTime("handle's Close", h.store.Close)
	}
	return h.p.inTime("handle's Close", h.drv.Close)
}

// errStuck is in what a call that does not return leaves behind.
var errStuck = errors.New("has not returned")

// inTime calls f. It gives up on a call that has not returned after the case's patience: there is nothing else to be done about
// it, and a message says more than the end of all tests.
func (p *probe) inTime(what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer close(done) // f may end its goroutine, as require does
		done <- recovered(f)
	}()
	timer := time.NewTimer(p.patience)
	defer timer.Stop()
	select {
	case err, returned := <-done:
		if !returned {
			return fmt.Errorf("%s has ended its goroutine", what)
		}
		return err
	case <-timer.C:
		return fmt.Errorf("%s %w after %v", what, errStuck, p.patience)
	}
}

// obtain is inTime for a call that returns something.
func obtain[T any](p *probe, what string, f func() (T, error)) (T, error) {
	var got, none T
	err := p.inTime(what, func() (err error) {
		got, err = f()
		return err
	})
	if err != nil {
		return none, err // got may still be written to
	}
	return got, nil
}

func (p *probe) closeHandles() error {
	var errs []error
	for _, h := range p.handles {
		errs = append(errs, h.close())
	}
	return errors.Join(errs...)
}

// close ends what the case left running, then the handles, then the database. What something still uses stays open.
func (p *probe) close() error {
	p.cancel()
	steps := []func() error{p.waitForAll, p.closeHandles}
	for _, remove := range p.removes {
		steps = append(steps, func() error { return p.inTime("Database.Remove", remove) })
	}
	var errs []error
	for _, step := range steps {
		err := step()
		if errs = append(errs, err); errors.Is(err, errStuck) {
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// waitForAll waits for the tasks of the case, whose context has ended.
func (p *probe) waitForAll() error {
	return p.inTime("a call whose context has ended", func() error {
		p.running.Wait()
		return nil
	})
}

// failed is the panic that ends a case.
type failed struct{ err error }

// run runs a case and returns what it failed with.
func (p *probe) run(f func(p *probe)) error {
	return recovered(func() error {
		f(p)
		return nil
	})
}

// recovered calls f and returns its error, or the one that it panicked with.
func recovered(f func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failed:
			err = r.err
		default:
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// task is a function that runs beside the case.
type task struct {
	p    *probe
	done chan struct{}
	err  error
}

// start runs f in a goroutine. ctx ends with the case, which waits for it.
func (p *probe) start(f func(ctx context.Context) error) *task {
	t := &task{p: p, done: make(chan struct{})}
	p.running.Go(func() {
		defer close(t.done)
		t.err = f(p.ctx)
	})
	return t
}

// wait ends the case if the task failed.
func (t *task) wait(format string, args ...any) {
	<-t.done
	t.p.ok(t.err, format, args...)
}

// together runs f n times at once and ends the case with the first error.
func (p *probe) together(n int, f func(ctx context.Context, i int) error) {
	begin := make(chan struct{})
	tasks := make([]*task, n)
	for i := range tasks {
		tasks[i] = p.start(func(ctx context.Context) error {
			<-begin
			return f(ctx, i)
		})
	}
	close(begin)
	for i, t := range tasks {
		t.wait("goroutine %d of %d", i+1, n)
	}
}
