// Package memory is the reference driver: events in maps and slices, gone when the process ends. It is small enough to
// be read in one go and seen to be right, so the other drivers are compared with it. It serves tests and trials.
//
// It has every capability but driver.Transactor, as there is no other data that a transaction could span, driver.TailReader, as
// to read twice costs nothing, and driver.Migrator.
package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var (
	_ driver.Store        = (*Store)(nil)
	_ driver.Waiter       = (*Store)(nil)
	_ driver.Snapshotter  = (*Store)(nil)
	_ driver.Checkpointer = (*Store)(nil)
	_ driver.Leaser       = (*Store)(nil)
	_ driver.DeadLetterer = (*Store)(nil)
	_ driver.KeyStore     = (*Store)(nil)
)

// Store keeps events in memory. It is safe for concurrent use.
type Store struct {
	mu sync.RWMutex
	// log and the slices in streams only grow, and what stands in them never changes. So a reader takes the slice under
	// mu and reads it without: it makes no writer wait, and sees the log as of one moment.
	log     []driver.Record             // the record at position p is log[p-1]
	streams map[driver.StreamID][]int64 // the positions of a stream's records; the one of version v stands at v-1
	ids     map[uuid.UUID]int64         // the position of each event id

	snapshots   map[driver.StreamID]driver.Snapshot
	checkpoints map[string]driver.Lease
	deadLetters map[string]map[int64]driver.DeadLetter // by projection and position
	keys        map[string]driver.Key
	watchers    map[chan struct{}]struct{}
}

// New returns an empty store, a database of its own.
func New() *Store {
	return &Store{
		streams:     make(map[driver.StreamID][]int64),
		ids:         make(map[uuid.UUID]int64),
		snapshots:   make(map[driver.StreamID]driver.Snapshot),
		checkpoints: make(map[string]driver.Lease),
		deadLetters: make(map[string]map[int64]driver.DeadLetter),
		keys:        make(map[string]driver.Key),
		watchers:    make(map[chan struct{}]struct{}),
	}
}

// Close implements driver.Store. It does nothing: the events live as long as the Store, so a test that closes it and
// uses it again sees what a process sees after a restart.
func (s *Store) Close() error { return nil }

// Commit implements driver.Store.
func (s *Store) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := alive(ctx); err != nil {
		return nil, err
	}
	before := len(s.log)
	receipts, err := s.commit(writes)
	if len(s.log) > before {
		s.wake()
	}
	return receipts, err
}

func (s *Store) commit(writes []driver.Write) ([]driver.Receipt, error) {
	if err := s.duplicate(writes); err != nil {
		return nil, err
	}
	for _, w := range writes {
		if actual := int64(len(s.streams[w.Stream])); !w.Expected.Met(actual) {
			return nil, &driver.ConflictError{Stream: w.Stream, Actual: actual}
		}
	}
	receipts := make([]driver.Receipt, len(writes))
	for i, w := range writes {
		receipts[i] = s.write(w)
	}
	return receipts, nil
}

// duplicate returns a *driver.DuplicateError if any id in writes is stored.
func (s *Store) duplicate(writes []driver.Write) error {
	var found []int64
	for _, w := range writes {
		for _, e := range w.Events {
			if position, ok := s.ids[e.ID]; ok {
				found = append(found, position)
			}
		}
	}
	if found == nil {
		return nil
	}
	slices.Sort(found)
	stored := make([]driver.Record, len(found))
	for i, position := range found {
		stored[i] = clone(s.log[position-1])
	}
	return &driver.DuplicateError{Stored: stored}
}

func (s *Store) write(w driver.Write) driver.Receipt {
	size := len(w.Events)
	for _, e := range w.Events {
		r := driver.Record{
			Position:   int64(len(s.log)) + 1,
			Version:    int64(len(s.streams[w.Stream])) + 1,
			Stream:     w.Stream,
			AppendSize: size,
			Event:      cloneEvent(e),
		}
		s.log = append(s.log, r)
		s.streams[w.Stream] = append(s.streams[w.Stream], r.Position)
		s.ids[e.ID] = r.Position
		size = 0
	}
	receipt := driver.Receipt{Version: int64(len(s.streams[w.Stream]))}
	if len(w.Events) > 0 {
		receipt.Position = int64(len(s.log))
	}
	return receipt
}

func alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}
