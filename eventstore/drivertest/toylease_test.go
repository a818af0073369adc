package drivertest_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func (h *toyHandle) Acquire(ctx context.Context, name, owner string, now, until time.Time) (lease driver.Lease, err error) {
	err = h.within(ctx, "lease", func(tx *toyTx) error {
		key := checkpointKey(name)
		took, locked := tx.tryLock(key)
		h.db.mu.Lock()
		defer h.db.mu.Unlock()
		lease, _ = h.db.kept(tx, key).(driver.Lease)
		switch owned := lease.Owner != owner && lease.Until.After(now); {
		case owned:
			if took {
				tx.unlock(key)
			}
			return &driver.HeldError{Lease: clonedLease(lease)}
		case !locked:
			return &driver.HeldError{Lease: driver.Lease{Name: name}}
		}
		if lease.Owner != owner {
			lease.Token++
		}
		lease.Name, lease.Owner, lease.Until, lease.UpdatedAt = name, owner, until, now
		tx.state[key] = lease
		return nil
	})
	if err != nil {
		return driver.Lease{}, err
	}
	return clonedLease(lease), nil
}

// tryLock takes a lock unless somebody else has it. It reports whether tx has the lock, and whether it has it only now.
func (tx *toyTx) tryLock(name string) (took, locked bool) {
	db := tx.h.db
	db.mu.Lock()
	defer db.mu.Unlock()
	switch db.locks[name] {
	case tx:
		return false, true
	case nil:
		db.locks[name] = tx
		tx.locks = append(tx.locks, name)
		return true, true
	default:
		return false, false
	}
}

// unlock gives back the lock that was taken last. The toy's mutex is held.
func (tx *toyTx) unlock(name string) {
	delete(tx.h.db.locks, name)
	tx.locks = tx.locks[:len(tx.locks)-1]
	close(tx.h.db.unlocked)
	tx.h.db.unlocked = make(chan struct{})
}

func (h *toyHandle) SaveLease(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
	l, l.UpdatedAt = clonedLease(l), at
	return h.keep(ctx, "lease", checkpointKey(l.Name), func(now any) (any, error) {
		stored, _ := now.(driver.Lease)
		switch {
		case stored.Owner == "" || stored.Owner != l.Owner || stored.Token != l.Token:
			return nil, driver.ErrLeaseLost
		case stored.Position != from:
			return nil, driver.ErrCheckpointMoved
		}
		return l, nil
	})
}

func (h *toyHandle) ReleaseLease(ctx context.Context, name string, token int64, at time.Time) error {
	return h.keep(ctx, "lease", checkpointKey(name), func(now any) (any, error) {
		l, _ := now.(driver.Lease)
		if l.Owner == "" || l.Token != token {
			return now, nil
		}
		l.Owner, l.Until, l.UpdatedAt = "", time.Time{}, at
		return l, nil
	})
}

func (h *toyHandle) Leases(ctx context.Context, prefix string) ([]driver.Lease, error) {
	return partsOf(ctx, h, func(l driver.Lease) (driver.Lease, bool) {
		return clonedLease(l), strings.HasPrefix(l.Name, prefix)
	}, func(a, b driver.Lease) int { return cmp.Compare(a.Name, b.Name) })
}

func clonedLease(l driver.Lease) driver.Lease {
	l.State = bytes.Clone(l.State)
	return l
}

// partsOf returns the parts of the state that are of type T, as the transaction of ctx sees them.
func partsOf[T any](ctx context.Context, h *toyHandle, take func(T) (T, bool), order func(a, b T) int) ([]T, error) {
	tx, err := h.carried(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	h.db.mu.Lock()
	defer h.db.mu.Unlock()
	state := maps.Clone(h.db.state)
	if tx != nil {
		maps.Copy(state, tx.state)
	}
	var list []T
	for _, v := range state {
		if one, ok := v.(T); ok {
			if one, ok := take(one); ok {
				list = append(list, one)
			}
		}
	}
	slices.SortFunc(list, order)
	return list, nil
}

func deadKey(projection string, position int64) string {
	return fmt.Sprintf("dead letter %q %d", projection, position)
}

func (h *toyHandle) SaveDeadLetter(ctx context.Context, d driver.DeadLetter) error {
	return h.keep(ctx, "dead letter", deadKey(d.Projection, d.Position), func(any) (any, error) { return d, nil })
}

// deleted stands where something was.
type deleted struct{}

func (h *toyHandle) DeleteDeadLetter(ctx context.Context, projection string, position int64) error {
	return h.keep(ctx, "dead letter", deadKey(projection, position), func(any) (any, error) { return deleted{}, nil })
}

func (h *toyHandle) DeadLetters(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error) {
	list, err := partsOf(ctx, h, func(d driver.DeadLetter) (driver.DeadLetter, bool) {
		return d, d.Projection == projection && d.Position > after
	}, func(a, b driver.DeadLetter) int { return cmp.Compare(a.Position, b.Position) })
	return list[:min(limit, len(list))], err
}
