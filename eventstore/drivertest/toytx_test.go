package drivertest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// toyTx is a transaction of a toy. All its fields are guarded by the toy's mutex.
type toyTx struct {
	h         *toyHandle
	explicit  bool // by Transact
	pending   []driver.Record
	state     map[string]any
	locks     []string
	waits     string // for a lock
	onEnd     []func(committed bool)
	ended     bool
	committed bool
	reserved  int64            // a position that was taken before it was needed; 0 for none
	since     map[string]int64 // the sequence when a kind of call was first made
}

type toyKey struct{}

// carried returns the transaction of ctx, nil if there is none, and an error if it is another database's or has ended.
func (h *toyHandle) carried(ctx context.Context) (*toyTx, error) {
	tx, _ := ctx.Value(toyKey{}).(*toyTx)
	switch {
	case tx == nil:
		return nil, nil
	case tx.h.db != h.db:
		return nil, errors.New("toy: the context carries a transaction of another database")
	}
	h.db.mu.Lock()
	defer h.db.mu.Unlock()
	if tx.ended {
		return nil, errors.New("toy: the context carries a transaction that has ended")
	}
	return tx, nil
}

func (h *toyHandle) InTransaction(ctx context.Context) (bool, error) {
	tx, err := h.carried(ctx)
	return tx != nil, err
}

func (h *toyHandle) OnEnd(ctx context.Context, f func(committed bool)) {
	tx := ctx.Value(toyKey{}).(*toyTx)
	h.db.mu.Lock()
	ended, committed := tx.ended, tx.committed
	if !ended {
		tx.onEnd = append(tx.onEnd, f)
	}
	h.db.mu.Unlock()
	if ended {
		f(committed)
	}
}

func (h *toyHandle) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	if tx, err := h.carried(ctx); err != nil {
		return err
	} else if tx != nil {
		return fn(ctx)
	}
	return h.run(ctx, true, func(tx *toyTx) error { return fn(context.WithValue(ctx, toyKey{}, tx)) })
}

// within runs f in the transaction of ctx, or in one of its own.
func (h *toyHandle) within(ctx context.Context, kind string, f func(tx *toyTx) error) error {
	tx, err := h.carried(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("toy: %w", err)
	}
	if tx == nil {
		return h.run(ctx, false, f)
	}
	h.db.mu.Lock()
	if _, ok := tx.since[kind]; !ok {
		tx.since[kind] = h.db.sequence
	}
	h.db.mu.Unlock()
	return f(tx)
}

func (h *toyHandle) run(ctx context.Context, explicit bool, f func(tx *toyTx) error) error {
	tx := &toyTx{h: h, explicit: explicit, state: make(map[string]any), since: make(map[string]int64)}
	h.db.mu.Lock()
	tx.since["begin"] = h.db.sequence
	h.db.open[tx] = true
	h.db.begun(tx)
	h.db.mu.Unlock()
	defer tx.end(false)
	if h.db.oneWriter {
		if err := tx.lock(ctx, "writer"); err != nil {
			return err
		}
	}
	if err := f(tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil && explicit {
		return fmt.Errorf("toy: %w", err)
	}
	tx.end(true)
	return nil
}

// lock waits until no other open transaction has one of these locks. Taking them in order keeps commits from waiting for
// each other in a circle; a transaction that would close one has lost a race.
func (tx *toyTx) lock(ctx context.Context, names ...string) error {
	slices.Sort(names)
	db := tx.h.db
	for _, name := range names {
		for {
			db.mu.Lock()
			owner, unlocked := db.locks[name], db.unlocked
			if owner == nil {
				db.locks[name] = tx
				tx.locks = append(tx.locks, name)
			}
			stuck := tx.closesCircle(name)
			db.mu.Unlock()
			if owner == nil || owner == tx {
				break
			}
			if stuck {
				return fmt.Errorf("toy: deadlock: %w", driver.ErrRace)
			}
			select {
			case <-unlocked:
			case <-ctx.Done():
				return fmt.Errorf("toy: %w", ctx.Err())
			}
		}
	}
	return nil
}

// closesCircle notes what the transaction waits for, if anybody has it, and reports whether they wait for the transaction.
func (tx *toyTx) closesCircle(name string) bool {
	tx.waits = ""
	owner := tx.h.db.locks[name]
	if owner == tx {
		return false
	}
	for next := owner; next != nil && next.waits != ""; {
		if next = tx.h.db.locks[next.waits]; next == tx {
			return true
		}
	}
	tx.waits = name
	return false
}

func (tx *toyTx) end(commit bool) {
	db := tx.h.db
	db.mu.Lock()
	if tx.ended {
		db.mu.Unlock()
		return
	}
	tx.ended, tx.committed = true, commit
	if commit {
		tx.publish()
	}
	delete(db.open, tx)
	for _, name := range tx.locks {
		delete(db.locks, name)
	}
	close(db.unlocked)
	db.unlocked = make(chan struct{})
	// A rollback may uncover what others committed behind it.
	for w := range db.watchers {
		w.hear(tx)
	}
	db.mu.Unlock()
	for _, f := range tx.onEnd {
		f(commit)
	}
}

func (tx *toyTx) publish() {
	db := tx.h.db
	for _, r := range tx.pending {
		db.streams[r.Stream] = append(db.streams[r.Stream], r)
		db.ids[r.ID] = r
	}
	db.log = append(db.log, tx.pending...)
	if len(tx.pending) > 0 {
		db.newest = tx.pending
	}
	slices.SortFunc(db.log, func(a, b driver.Record) int { return cmp.Compare(a.Position, b.Position) })
	for key, v := range tx.state {
		db.state[key] = v
	}
}

func (h *toyHandle) Commit(ctx context.Context, writes []driver.Write) (receipts []driver.Receipt, err error) {
	fails, before := h.db.cutOff()
	if fails && before {
		return nil, fmt.Errorf("toy: %w before the commit", driver.ErrUnavailable)
	}
	err = h.within(ctx, "commit", func(tx *toyTx) (err error) {
		receipts, err = tx.write(ctx, writes)
		return err
	})
	if fails && err == nil {
		return nil, fmt.Errorf("toy: %w after the commit", driver.ErrUnavailable)
	}
	return receipts, err
}

func (tx *toyTx) write(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	if err := tx.lockFor(ctx, writes); err != nil {
		return nil, err
	}
	tx.h.db.mu.Lock()
	defer tx.h.db.mu.Unlock()
	if stored := tx.stored(writes); stored != nil {
		return nil, &driver.DuplicateError{Stored: stored}
	}
	for _, w := range writes {
		if actual := tx.version(w.Stream); !w.Expected.Met(actual) {
			return nil, &driver.ConflictError{Stream: w.Stream, Actual: actual}
		}
	}
	receipts := make([]driver.Receipt, len(writes))
	for i, w := range writes {
		receipts[i] = tx.append(w)
	}
	return receipts, nil
}

// toyPatience is how long an append waits for others where some may come after it.
const toyPatience = 20 * time.Millisecond

func (tx *toyTx) lockFor(ctx context.Context, writes []driver.Write) error {
	if tx.explicit || writes[0].Held || tx.h.db.patient {
		return tx.lock(ctx, lockNames(writes)...)
	}
	bounded, cancel := context.WithTimeout(ctx, toyPatience)
	defer cancel()
	err := tx.lock(bounded, lockNames(writes)...)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("toy: %w", driver.ErrHeld)
	}
	return err
}

func lockNames(writes []driver.Write) []string {
	var names []string
	for _, w := range writes {
		names = append(names, fmt.Sprintf("stream %q", w.Stream))
		for _, e := range w.Events {
			names = append(names, e.ID.String())
		}
	}
	return names
}

// stored returns the records, the transaction's own included, that have one of the writes' ids.
func (tx *toyTx) stored(writes []driver.Write) []driver.Record {
	own := make(map[uuid.UUID]driver.Record)
	for _, r := range tx.pending {
		own[r.ID] = r
	}
	var stored []driver.Record
	for _, w := range writes {
		for _, e := range w.Events {
			if r, ok := own[e.ID]; ok {
				stored = append(stored, cloned(r))
			} else if r, ok := tx.h.db.ids[e.ID]; ok {
				stored = append(stored, cloned(r))
			}
		}
	}
	slices.SortFunc(stored, func(a, b driver.Record) int { return cmp.Compare(a.Position, b.Position) })
	return stored
}

func (tx *toyTx) version(stream driver.StreamID) int64 {
	return int64(len(tx.h.db.streams[stream]) + len(tx.pendingOf(stream)))
}

func (tx *toyTx) pendingOf(stream driver.StreamID) []driver.Record {
	var records []driver.Record
	for _, r := range tx.pending {
		if r.Stream == stream {
			records = append(records, r)
		}
	}
	return records
}

func (tx *toyTx) append(w driver.Write) driver.Receipt {
	version, position, size := tx.version(w.Stream), int64(0), len(w.Events)
	for _, e := range w.Events {
		version, position = version+1, tx.position()
		r := driver.Record{Position: position, Version: version, Stream: w.Stream, AppendSize: size, Event: e}
		tx.pending = append(tx.pending, cloned(r))
		size = 0
	}
	return driver.Receipt{Version: version, Position: position}
}

func (tx *toyTx) position() int64 {
	if reserved := tx.reserved; reserved > 0 {
		tx.reserved = 0
		return reserved
	}
	tx.h.db.sequence++
	return tx.h.db.sequence
}
