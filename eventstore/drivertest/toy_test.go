package drivertest_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

// toy is a database with everything that the suite can make use of: transactions of many writers at once, several
// handles, and faults on demand. Like a server with a sequence it takes positions when it appends and shows events when
// it commits, so its readers need a tide mark. It is the sound driver for what the memory driver lacks, and what many
// broken drivers are made of.
type toy struct {
	mu       sync.Mutex
	sequence int64
	log      []driver.Record // committed, in order of position
	newest   []driver.Record // of the last commit
	streams  map[driver.StreamID][]driver.Record
	ids      map[uuid.UUID]driver.Record
	state    map[string]any // snapshots and checkpoints, by lock
	open     map[*toyTx]bool
	locks    map[string]*toyTx
	unlocked chan struct{} // closed when a transaction ends
	watchers map[*toyWatcher]bool
	damaged  map[toyVersion]bool
	outages  int // so many calls are still to fail

	oneWriter bool
	patient   bool // every append waits as long as others like
	// mark is the tide mark, and begun hears of new transactions. Broken drivers replace them.
	mark  func(db *toy) int64
	begun func(tx *toyTx)
}

type toyVersion struct {
	stream  driver.StreamID
	version int64
}

func newToy() *toy {
	return &toy{
		streams:  make(map[driver.StreamID][]driver.Record),
		ids:      make(map[uuid.UUID]driver.Record),
		state:    make(map[string]any),
		open:     make(map[*toyTx]bool),
		locks:    make(map[string]*toyTx),
		unlocked: make(chan struct{}),
		watchers: make(map[*toyWatcher]bool),
		damaged:  make(map[toyVersion]bool),
		mark:     (*toy).soundMark,
		begun:    func(*toyTx) {},
	}
}

// database offers all that the suite may ask for; wrap makes each handle what a test wants it to be.
func (db *toy) database(wrap func(*toyHandle) driver.Store) *drivertest.Database {
	open := func(db *toy) driver.Store { return wrap(&toyHandle{db: db}) }
	return &drivertest.Database{
		Store:      open(db),
		Reopen:     func(context.Context) (driver.Store, error) { return open(db), nil },
		Restore:    func(context.Context) (driver.Store, error) { return open(db.restored()), nil },
		OneWriter:  db.oneWriter,
		Damage:     db.damage,
		Disconnect: db.disconnect,
		Remove:     func() error { return nil },
	}
}

func (db *toy) restored() *toy {
	db.mu.Lock()
	defer db.mu.Unlock()
	fresh := newToy()
	fresh.sequence, fresh.log = db.sequence, slices.Clone(db.log)
	maps.Copy(fresh.streams, db.streams)
	maps.Copy(fresh.ids, db.ids)
	maps.Copy(fresh.state, db.state)
	return fresh
}

func (db *toy) damage(_ context.Context, stream driver.StreamID, version int64) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.damaged[toyVersion{stream, version}] = true
	return nil
}

func (db *toy) disconnect(context.Context) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.outages += 2
	return nil
}

// cutOff reports whether a call is to fail, and counts it.
func (db *toy) cutOff() (fails bool, odd bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.outages == 0 {
		return false, false
	}
	db.outages--
	return true, db.outages%2 == 1
}

// soundMark lies below the first position of every open transaction.
func (db *toy) soundMark() int64 {
	mark := db.sequence
	for tx := range db.open {
		if len(tx.pending) > 0 {
			mark = min(mark, tx.pending[0].Position-1)
		}
	}
	return mark
}

// toyHandle is a driver on a toy.
type toyHandle struct{ db *toy }

func (h *toyHandle) Close() error { return nil }

func (h *toyHandle) Migrate(context.Context) error { return nil }

func (h *toyHandle) Batching() driver.Batching {
	return driver.Batching{Direct: 1, Lanes: 1, MaxCommits: 20, MaxEvents: 1000}
}

func (h *toyHandle) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	outcomes := make([]driver.Outcome, len(commits))
	for i, writes := range commits {
		outcomes[i].Receipts, outcomes[i].Err = h.Commit(ctx, writes)
	}
	return outcomes, nil
}

// alive returns the error of a call that can't be made.
func (h *toyHandle) alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("toy: %w", err)
	}
	if fails, _ := h.db.cutOff(); fails {
		return fmt.Errorf("toy: %w", driver.ErrUnavailable)
	}
	return nil
}

func (h *toyHandle) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	tx, err := h.carried(ctx)
	if err == nil {
		err = h.alive(ctx)
	}
	if err != nil {
		return nil, err
	}
	h.db.mu.Lock()
	defer h.db.mu.Unlock()
	all := h.db.streams[q.Stream]
	if tx != nil {
		all = slices.Concat(all, tx.pendingOf(q.Stream))
	}
	page := toyPage{limit: q.Limit, maxBytes: q.MaxBytes}
	for r := range inOrder(all, q) {
		if h.db.damaged[toyVersion{q.Stream, r.Version}] {
			return nil, fmt.Errorf("toy: version %d of %q is damaged", r.Version, q.Stream)
		}
		if page.add(r) {
			break
		}
	}
	return page.records, nil
}

// inOrder yields what a query is after, given that the record of version v stands at v-1.
func inOrder(all []driver.Record, q driver.StreamQuery) iter.Seq[driver.Record] {
	to := int64(len(all))
	if q.To > 0 {
		to = min(to, q.To)
	}
	return func(yield func(driver.Record) bool) {
		for i := range to - q.From + 1 {
			version := q.From + i
			if q.Backward {
				version = to - i
			}
			if !yield(all[version-1]) {
				return
			}
		}
	}
}

// toyPage collects a page.
type toyPage struct {
	limit, maxBytes, size int
	records               []driver.Record
}

// add reports whether the page is full.
func (p *toyPage) add(r driver.Record) bool {
	p.records = append(p.records, cloned(r))
	p.size += len(r.Data)
	return len(p.records) >= p.limit || p.size >= p.maxBytes
}

func (h *toyHandle) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	_, err := h.carried(ctx)
	if err == nil {
		err = h.alive(ctx)
	}
	if err != nil {
		return driver.Page{}, err
	}
	h.db.mu.Lock()
	defer h.db.mu.Unlock()
	head := h.db.mark(h.db)
	if q.Limit == 0 {
		return driver.Page{Next: q.After, Head: head}, nil
	}
	page := toyPage{limit: q.Limit, maxBytes: q.MaxBytes}
	from, found := slices.BinarySearchFunc(h.db.log, q.After, byPosition)
	if found {
		from++
	}
	for _, r := range h.db.log[from:] {
		if r.Position > head {
			break
		}
		if h.db.damaged[toyVersion{r.Stream, r.Version}] {
			return driver.Page{}, fmt.Errorf("toy: position %d is damaged", r.Position)
		}
		if matches(q, r) && page.add(r) {
			return driver.Page{Records: page.records, Next: r.Position, Head: head}, nil
		}
	}
	return driver.Page{Records: page.records, Next: max(q.After, head), Head: head}, nil
}

func byPosition(r driver.Record, position int64) int { return cmp.Compare(r.Position, position) }

func matches(q driver.AllQuery, r driver.Record) bool {
	return (len(q.Types) == 0 || slices.Contains(q.Types, r.Type)) &&
		(len(q.StreamTypes) == 0 || slices.Contains(q.StreamTypes, r.Stream.Type))
}

func cloned(r driver.Record) driver.Record {
	r.Data, r.Metadata, r.Tags = bytes.Clone(r.Data), bytes.Clone(r.Metadata), slices.Clone(r.Tags)
	return r
}
