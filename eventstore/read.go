package eventstore

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// StreamOptions selects from a stream. The zero value reads all of it, oldest first.
type StreamOptions struct {
	// From and To are versions, both inclusive. 0 leaves that end open.
	From, To int64
	// Limit is the number of stored events after which the iteration ends. Default: no limit.
	Limit int
	// Backward hands out the same versions, the highest first.
	Backward bool
	// Types keeps only events with one of these current names; the others are not decoded, but Limit counts them. Default:
	// all. With Raw, it keeps what is stored under these names or under names that lead to them.
	Types []string
	// Raw returns events as they are stored: neither upcast nor decoded, unknown ones included.
	Raw bool
	// Restore, if set, begins the iteration after the stream's latest snapshot: it is called with it, before the first
	// event, and returns whether to make use of it; if not, or if there is no snapshot, the iteration begins with the
	// first event. A snapshot that can't be decoded comes as a *SnapshotError. It does not go with From, To and Backward.
	// Many databases are asked for snapshot and events in one round trip.
	Restore func(snap Snapshot, err error) bool
	// Reached, if set, is called when an iteration has come to its end without an error, with the version of the last
	// stored event that it looked at, 0 if there was none. It tells the stream's version where an upcaster drops its
	// last events.
	Reached func(version int64)
}

// Pages are bounded twice, so that neither many events nor large ones fill the memory.
const (
	pageRecords = 512
	pageBytes   = 4 << 20
)

// Stream iterates over a stream; one that has no events is an empty iteration. An error, which includes the context's
// end and an event that can't be decoded, is handed out once, as the last item. Nothing is held while the loop's body
// runs: it may call the store, and may leave the loop at any time.
func (s *Store) Stream(ctx context.Context, stream StreamID, opts *StreamOptions) iter.Seq2[Event, error] {
	var o StreamOptions
	if opts != nil {
		o = *opts
	}
	return func(yield func(Event, error) bool) {
		reached, err := s.stream(ctx, stream, &o, yield)
		switch {
		case err != nil:
			yield(Event{}, err)
		case reached >= 0 && o.Reached != nil:
			o.Reached(reached)
		}
	}
}

// stream returns the last version it looked at, or -1 if the loop was left.
func (s *Store) stream(ctx context.Context, stream StreamID, o *StreamOptions, yield func(Event, error) bool) (int64, error) {
	if err := o.check(stream); err != nil {
		return 0, err
	}
	w := newWalk(s, stream, o)
	dec := decoding{store: s, raw: o.Raw, types: s.namesOf(o)}
	if more, err := dec.deliver(ctx, w, yield); err != nil || !more {
		return -1, err
	}
	return w.last, nil
}

// namesOf returns the names of the events to keep, as they are stored or as they are today; nil keeps all.
func (s *Store) namesOf(o *StreamOptions) map[string]bool {
	switch {
	case len(o.Types) == 0:
		return nil
	case !o.Raw:
		return s.currentNames(o.Types)
	}
	names := map[string]bool{}
	for _, name := range s.storedNames(o.Types) {
		names[name] = true
	}
	return names
}

func (o *StreamOptions) check(stream StreamID) error {
	if err := checkStream(stream); err != nil {
		return err
	}
	if o.From < 0 || o.To < 0 || o.Limit < 0 {
		return fmt.Errorf("eventstore: read stream %q: From %d, To %d and Limit %d must not be negative",
			stream, o.From, o.To, o.Limit)
	}
	if o.Restore != nil && (o.From > 0 || o.To > 0 || o.Backward) {
		return fmt.Errorf("eventstore: read stream %q: Restore does not go with From, To or Backward", stream)
	}
	return nil
}

// walk goes through a stream page by page.
type walk struct {
	store *Store
	q     driver.StreamQuery
	left  int   // events until the caller's limit
	last  int64 // the version last seen, 0 before the first
	done  bool

	restore func(Snapshot, error) bool // nil when the snapshot, if wanted, was looked at
}

func newWalk(s *Store, stream StreamID, o *StreamOptions) *walk {
	w := &walk{store: s, left: math.MaxInt}
	if s.snapshots != nil {
		w.restore = o.Restore
	}
	if o.Limit > 0 {
		w.left = o.Limit
	}
	w.q = driver.StreamQuery{Stream: stream, From: max(o.From, 1), To: o.To, Backward: o.Backward, MaxBytes: pageBytes}
	w.done = o.To > 0 && o.To < w.q.From
	return w
}

// next implements pages.
func (w *walk) next(ctx context.Context) (page []driver.Record, more bool, err error) {
	if w.done {
		return nil, false, nil
	}
	w.q.Limit = min(w.left, pageRecords)
	if w.restore != nil {
		page, err = w.begin(ctx)
	} else {
		page, err = w.store.readStream(ctx, w.q)
	}
	if err == nil {
		err = w.pass(page)
	}
	if err != nil {
		return nil, false, fmt.Errorf("eventstore: read stream %q: %w", w.q.Stream, err)
	}
	return page, !w.done, nil
}

// pass moves over a page, unless it is damaged.
func (w *walk) pass(page []driver.Record) error {
	last := w.last
	for i := range page {
		if err := w.follows(last, page[i].Version); err != nil {
			return err
		}
		last = page[i].Version
	}
	w.last = last
	w.left -= len(page)
	if w.q.Backward {
		w.q.To = w.last - 1
		w.done = w.q.To < w.q.From
	} else {
		w.q.From = w.last + 1
		w.done = w.q.To > 0 && w.q.To < w.q.From
	}
	w.done = w.done || w.left == 0 || !full(page, w.q.Limit, w.q.MaxBytes)
	return nil
}

// follows refuses a hole: a reader that walked over one would rebuild a state that never was.
func (w *walk) follows(last, version int64) error {
	want := last + 1
	switch {
	case w.q.Backward && last > 0:
		want = last - 1
	case w.q.Backward:
		want = version
	case last == 0:
		want = w.q.From
	}
	if version != want {
		return fmt.Errorf("version %d is missing, version %d stands in its place: the stream is damaged", want, version)
	}
	return nil
}

func (s *Store) readStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	if err := s.calls.enter(); err != nil {
		return nil, err
	}
	defer s.calls.leave()
	return s.drv.ReadStream(ctx, q)
}

// full reports whether a page ended because it was full, so that more may follow.
func full(page []driver.Record, limit, maxBytes int) bool {
	if len(page) >= limit {
		return true
	}
	size := 0
	for i := range page {
		size += len(page[i].Data)
	}
	return size >= maxBytes
}
