package eventstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Lease is a checkpoint and its owner, with a small JSON document beside it.
type Lease = driver.Lease

// HeldError reports that somebody else owns a lease, or that a transaction holds it whose work can't be seen yet: then
// Lease.Owner is empty.
type HeldError = driver.HeldError

// ErrLeaseLost reports that a lease has another owner by now, or none.
var ErrLeaseLost = driver.ErrLeaseLost

// AcquireLease makes owner, which is the name of this process or part of it, the owner of a lease for the time ttl, and
// returns it. It succeeds if nobody owns the lease, if the owner's time is over, or if owner owns it already, which
// renews it; else the error is a *HeldError. A lease is the checkpoint of the same name: one that is not there begins at
// position 0. Lease.Token is a fencing token: it grows with each change of owner, and only with the latest one can the
// lease be saved. It is ErrNotSupported if the driver has no leases.
//
// Inside a transaction it takes part in it, and nobody else gets the lease before that has ended. Whoever asks while
// somebody else's transaction has changed the lease is answered at once, with a *HeldError; where the database has one
// writer, the call first waits for that transaction like every other write.
func (s *Store) AcquireLease(ctx context.Context, name, owner string, ttl time.Duration) (Lease, error) {
	if err := s.callLeases(name); err != nil {
		return Lease{}, err
	}
	defer s.calls.leave()
	if err := checkName(owner); err != nil {
		return Lease{}, fmt.Errorf("eventstore: acquire lease %q: the owner's name %.80q %w", name, owner, err)
	}
	if ttl <= 0 {
		return Lease{}, fmt.Errorf("eventstore: acquire lease %q for %v: the time must be positive", name, ttl)
	}
	now := s.Now()
	lease, err := s.leases.Acquire(ctx, name, owner, now, until(now, ttl))
	if err != nil {
		return Lease{}, fmt.Errorf("eventstore: acquire lease %q: %w", name, err)
	}
	return lease, nil
}

// until is the end of a lease, in whole microseconds, of which it has at least one.
func until(now time.Time, ttl time.Duration) time.Time {
	return now.Add(max(ttl.Truncate(time.Microsecond), time.Microsecond))
}

// SaveLease moves the checkpoint of a lease from from to l.Position, stores l.State, which is JSON or empty, and renews
// the lease for as long as it was acquired for. l is what AcquireLease returned, apart from Position and State. Nothing
// is changed, and the error is ErrLeaseLost, if somebody else owns the lease by now or nobody does, and
// ErrCheckpointMoved if the checkpoint is not at from.
//
// Inside a transaction it is part of it, and the transaction stays usable after these two errors. Nobody takes the lease
// before the transaction has ended, so that what else is done in it is done by the owner or not at all. A database that
// can do so ends the transaction itself if the process does nothing in it for the lease's time.
func (s *Store) SaveLease(ctx context.Context, l Lease, from int64) error {
	if err := s.callLeases(l.Name); err != nil {
		return err
	}
	defer s.calls.leave()
	ttl := l.Until.Sub(l.UpdatedAt)
	if err := checkLease(&l, ttl); err != nil {
		return fmt.Errorf("eventstore: save lease %q: %w", l.Name, err)
	}
	at := s.Now()
	l.Until = at.Add(ttl)
	if err := s.leases.SaveLease(ctx, l, from, at); err != nil {
		return fmt.Errorf("eventstore: save lease %q at position %d, from %d: %w", l.Name, l.Position, from, err)
	}
	return nil
}

func checkLease(l *Lease, ttl time.Duration) error {
	switch {
	case ttl <= 0 || l.Token < 1 || l.Owner == "":
		return errors.New("it does not look like one that AcquireLease returned")
	case l.Position < 0:
		return fmt.Errorf("position %d is negative", l.Position)
	case len(l.State) == 0:
		l.State = nil
		return nil
	case !utf8.Valid(l.State) || !json.Valid(l.State):
		return fmt.Errorf("its state is not valid JSON: %.80q", l.State)
	default:
		return nil
	}
}

// ReleaseLease ends the ownership at once if token is the lease's current one, and does nothing if it is not. Position
// and State stay. If a transaction has changed the lease, it waits for its end.
func (s *Store) ReleaseLease(ctx context.Context, name string, token int64) error {
	if err := s.callLeases(name); err != nil {
		return err
	}
	defer s.calls.leave()
	if err := s.leases.ReleaseLease(ctx, name, token, s.Now()); err != nil {
		return fmt.Errorf("eventstore: release lease %q: %w", name, err)
	}
	return nil
}

// Leases returns all leases, and checkpoints that never had an owner, whose names begin with prefix, in order of name.
// An owner whose time is over is still named: compare Until with Now.
func (s *Store) Leases(ctx context.Context, prefix string) ([]Lease, error) {
	if err := s.callLeases(cmp.Or(prefix, "*")); err != nil {
		return nil, err
	}
	defer s.calls.leave()
	leases, err := s.leases.Leases(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("eventstore: list the leases %q: %w", prefix+"*", err)
	}
	return leases, nil
}

func (s *Store) callLeases(name string) error {
	if s.leases == nil {
		return fmt.Errorf("%w: leases", ErrNotSupported)
	}
	if err := checkName(name); err != nil {
		return fmt.Errorf("eventstore: lease name %.80q %w", name, err)
	}
	return s.calls.enter()
}
