package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// Store appends events to streams and reads them back, stream by stream or as one global log. It is safe for
// concurrent use.
type Store struct {
	drv  driver.Store
	reg  *serializer.Registry
	opts Options

	// The driver's capabilities, nil where it has none.
	snapshots   driver.Snapshotter
	tails       driver.TailReader
	checkpoints driver.Checkpointer
	leases      driver.Leaser
	deadLetters driver.DeadLetterer
	transactor  driver.Transactor

	inline atomic.Pointer[func(ctx context.Context, events []Event) error] // of OnAppend

	group groupCommit
	held  heldStreams
	tide  tide
	calls calls
}

// Options adjusts a Store. The zero value works.
type Options struct {
	// Upcasters carries events of older schema versions forward on every read path. Default: none.
	Upcasters *upcaster.Chain
	// Downcasts has events and snapshots stored as an earlier release reads them, for as long as one runs beside this one.
	// An append of what Upcasters would not bring back as it was fails. Default: none.
	Downcasts *upcaster.Downcasts
	// Protector encrypts what is stored, as package privacy does, on every way in and out. Default: none.
	Protector Protector
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// NewID makes the ids of events that come without one. Default: UUIDv7.
	NewID func() uuid.UUID
	// Logger hears of what the store does by itself, as falling back to polling. Default: slog.Default().
	Logger *slog.Logger
	// PollInterval is how long a reader at the head waits at most before it looks again. Default: 1 second, and 50
	// milliseconds while the driver can't tell of other processes' commits.
	PollInterval time.Duration
}

// New returns a store over a driver, which it owns from then on. Mistakes in the registry or in the upcasters, such as
// a name registered twice or a chain that ends at an unregistered schema version, are returned here.
func New(d driver.Store, reg *serializer.Registry, opts *Options) (*Store, error) {
	s := &Store{drv: d, reg: reg}
	if opts != nil {
		s.opts = *opts
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.opts.Now == nil {
		s.opts.Now = time.Now
	}
	if s.opts.NewID == nil {
		s.opts.NewID = func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	}
	if s.opts.Protector != nil {
		s.opts.Protector = guarded{s.opts.Protector}
	}
	s.opts.Logger = cmp.Or(s.opts.Logger, slog.Default())
	s.snapshots, _ = d.(driver.Snapshotter)
	s.tails, _ = d.(driver.TailReader)
	s.checkpoints, _ = d.(driver.Checkpointer)
	s.leases, _ = d.(driver.Leaser)
	s.deadLetters, _ = d.(driver.DeadLetterer)
	s.transactor, _ = d.(driver.Transactor)
	s.group.init(d)
	s.held.init(s.group.limits.Held)
	s.tide.init(d, &s.opts, s.Head)
	s.calls.idle = make(chan struct{})
	return s, nil
}

func (s *Store) check() error {
	switch {
	case s.drv == nil:
		return errors.New("eventstore: New needs a driver")
	case s.reg == nil:
		return errors.New("eventstore: New needs a registry")
	case s.opts.PollInterval < 0:
		return fmt.Errorf("eventstore: PollInterval is negative: %v", s.opts.PollInterval)
	}
	err := s.reg.Err()
	if err != nil {
		err = fmt.Errorf("eventstore: %w", err)
	}
	return errors.Join(err, s.checkTargets(), s.checkSources(), s.checkDowncasts())
}

// checkTargets finds chains that lead to what nobody can decode.
func (s *Store) checkTargets() error {
	var errs []error
	for _, target := range s.opts.Upcasters.Targets() {
		if _, schema, ok := s.reg.Current(target.Name); !ok || schema != target.Schema {
			errs = append(errs, fmt.Errorf("eventstore: upcasters lead to %s, which is not registered: "+
				"register it at this version or add the step that leads on", target))
		}
	}
	return errors.Join(errs...)
}

// checkSources finds steps that take what is written today, so that it would be read as something else, or not at all.
func (s *Store) checkSources() error {
	var errs []error
	for _, name := range serializer.Names[any](s.reg) {
		_, schema, _ := s.reg.Current(name)
		if current := upcaster.V(name, schema); s.opts.Upcasters.Handles(current) {
			errs = append(errs, fmt.Errorf("eventstore: an upcaster step takes %s, which is registered as today's: "+
				"register a later version, or take the step out", current))
		}
	}
	return errors.Join(errs...)
}

// NewID returns an event id as Append assigns them.
func (s *Store) NewID() uuid.UUID { return s.opts.NewID() }

// Now returns the store's time, in UTC and whole microseconds.
func (s *Store) Now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// TypeNames returns the registered event names whose Go type is T or, if T is an interface, implements it.
func TypeNames[T any](s *Store) []string { return serializer.Names[T](s.reg) }

// Registered returns nil if values of v's Go type can be appended or saved as a snapshot, else ErrUnknownEvent with what
// to register.
func (s *Store) Registered(v any) error {
	if err := s.reg.Registered(v); err != nil {
		return &unknownEvent{err}
	}
	return nil
}

// Close waits for the calls in flight, ends all subscriptions with ErrClosed and closes the driver. Calls that come
// after it fail with ErrClosed; closing again does nothing. Don't call it inside Transact.
func (s *Store) Close() error {
	if !s.calls.close() {
		return nil
	}
	s.group.flights.Wait()
	s.tide.close()
	return s.drv.Close()
}

// calls counts the driver calls in flight, so that Close can wait for them. A plain RWMutex would deadlock when a call
// inside Transact meets a waiting Close.
type calls struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when the store is closed and the last call has left
}

func (c *calls) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.n++
	return nil
}

func (c *calls) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.closed && c.n == 0 {
		close(c.idle)
	}
}

// close refuses further calls and waits for those in flight. It reports whether it was the first.
func (c *calls) close() bool {
	c.mu.Lock()
	first, busy := !c.closed, c.n > 0
	c.closed = true
	c.mu.Unlock()
	if first && busy {
		<-c.idle
	}
	return first
}
