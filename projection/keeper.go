package projection

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// keeper keeps a cursor's checkpoint.
type keeper interface {
	// load returns the checkpoint as it is stored.
	load(ctx context.Context) (int64, error)
	// save moves it, if it stands at from. The caller holds the keeper.
	save(ctx context.Context, from, to int64) error
	// check fails if somebody else may have the checkpoint by now. Where save comes first, that finds out.
	check(ctx context.Context) error
	// hold keeps others in this process from writing the checkpoint until release is called. It comes before the
	// transaction, so that nobody holds the one and waits for the other.
	hold() (release func())
}

// errLost: somebody else owns the partition now, or may own it.
var errLost = errors.New("projection: the lease was lost")

// unowned keeps the checkpoint of a projection on a driver that knows no owners.
type unowned struct {
	store *eventstore.Store
	name  string
}

func (k unowned) load(ctx context.Context) (int64, error) { return k.store.LoadCheckpoint(ctx, k.name) }

func (k unowned) save(ctx context.Context, from, to int64) error {
	return k.store.SaveCheckpoint(ctx, k.name, from, to)
}

func (unowned) check(context.Context) error { return nil }

func (unowned) hold() func() { return func() {} }

// tenure is the time for which a runner owns a row. It is used by the row's worker, and renewed by the runner's loop while
// the worker has nothing to save.
type tenure struct {
	store *eventstore.Store
	owner string
	ttl   time.Duration

	writing sync.Mutex // held while the row is written

	mu      sync.Mutex       // guards what follows
	lease   eventstore.Lease // Position is the checkpoint as it was last seen
	tell    func() []byte    // makes the row's document, for others to read
	told    time.Time        // when it was last made
	renewed time.Time        // by the store's clock
}

// acquire makes owner the owner of a row.
func acquire(ctx context.Context, store *eventstore.Store, row, owner string, ttl time.Duration) (*tenure, error) {
	began := store.Now()
	lease, err := store.AcquireLease(ctx, row, owner, ttl)
	if err != nil {
		return nil, err
	}
	state := lease.State
	return &tenure{store: store, owner: owner, ttl: ttl, lease: lease, renewed: began, tell: func() []byte { return state }}, nil
}

func (t *tenure) current() eventstore.Lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lease
}

// load implements keeper. It renews the lease, and waits for a transaction that may yet move the checkpoint.
func (t *tenure) load(ctx context.Context) (int64, error) {
	for {
		position, err := t.again(ctx)
		var held *eventstore.HeldError
		if !errors.As(err, &held) || errors.Is(err, errLost) {
			return position, err
		}
		pause(ctx, busyRetry)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// busyRetry is the wait for a transaction that holds a row.
const busyRetry = 20 * time.Millisecond

// again acquires the lease that is held already. It fails with errLost if it has had another owner meanwhile, and with
// *eventstore.HeldError if a transaction holds it.
func (t *tenure) again(ctx context.Context) (int64, error) {
	began, before := t.store.Now(), t.current()
	lease, err := t.store.AcquireLease(ctx, before.Name, t.owner, t.ttl)
	var held *eventstore.HeldError
	switch {
	case errors.As(err, &held) && held.Lease.Owner != "":
		return 0, fmt.Errorf("%w: %w", errLost, err)
	case err != nil:
		return 0, err
	case lease.Token != before.Token: // it was free again by now
		_ = t.store.ReleaseLease(ctx, lease.Name, lease.Token) // or it runs out
		return 0, fmt.Errorf("%w: it had another owner meanwhile", errLost)
	}
	t.renewedAt(began, lease.Position)
	return lease.Position, nil
}

// hold implements keeper.
func (t *tenure) hold() (release func()) {
	t.writing.Lock()
	return t.writing.Unlock
}

// renew tells that the owner is alive, and how it is doing, unless its worker is about to: then nobody can take the row.
// It fails with errLost if the row has another owner.
func (t *tenure) renew(ctx context.Context) error {
	if !t.writing.TryLock() {
		return nil
	}
	defer t.writing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, t.ttl/3)
	defer cancel()
	at := t.current().Position
	return t.save(ctx, at, at)
}

// noteInterval is how often the document is made anew that goes along with the checkpoint.
const noteInterval = time.Second

// save implements keeper.
func (t *tenure) save(ctx context.Context, from, to int64) error {
	began, lease := t.store.Now(), t.current()
	lease.Position, lease.State = to, t.state()
	err := t.store.SaveLease(ctx, lease, from)
	if errors.Is(err, eventstore.ErrLeaseLost) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	if err == nil {
		t.store.OnEnd(ctx, func(committed bool) {
			if committed {
				t.renewedAt(began, to)
			}
		})
	}
	return err
}

func (t *tenure) state() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.Sub(t.told) >= noteInterval {
		t.lease.State, t.told = t.tell(), now
	}
	return t.lease.State
}

// news has the next save make the document anew, with tell if that is not nil.
func (t *tenure) news(tell func() []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = time.Time{}
	if tell != nil {
		t.tell = tell
	}
}

func (t *tenure) renewedAt(at time.Time, position int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.renewed, t.lease.Position = at, position
}

// due reports whether a third of the lease has gone by without a sign of life.
func (t *tenure) due() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.store.Now().Sub(t.renewed) >= t.ttl/3
}

// check implements keeper.
func (t *tenure) check(ctx context.Context) error {
	t.mu.Lock()
	over := t.store.Now().Sub(t.renewed) >= t.ttl
	t.mu.Unlock()
	if !over {
		return nil
	}
	_, err := t.load(ctx)
	return err
}

// release lets others have the row at once.
func (t *tenure) release(ctx context.Context) error {
	lease := t.current()
	return t.store.ReleaseLease(ctx, lease.Name, lease.Token)
}
