package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// Write is one stream's part in an AppendAll.
type Write struct {
	Stream   StreamID
	Expected ExpectedVersion
	Events   []NewEvent
}

// Receipt tells where an append ended.
type Receipt struct {
	Stream   StreamID
	Version  int64 // of the stream after the append
	Position int64 // of its last event in the global log; 0 if there was none
	// Duplicate says that the events were stored by an earlier append with the same ids, whose receipt this is; or by the
	// first try of this one, if the connection was lost before its answer came and database/sql has tried again.
	Duplicate bool
}

// Append stores events at the end of a stream, all or none, and is durable when it returns nil.
//
// If the stream is not as expected, the error is a *ConflictError and nothing was written. Events whose ids the stream
// holds already, from an append of the same events, are not stored again: the first receipt is returned, whatever the
// expectation; ids used in any other way are ErrIdempotency. An append without events checks the expectation and
// returns the stream's version. If ctx ends while the append is under way, the outcome is unknown and a retry with the
// same ids is safe. Concurrent appends share commits where that is faster; each has its own outcome.
//
// What is too large for some database is refused on all: a payload of more than 64 MiB, metadata of more than 16 MiB, and an
// append of more than 256 MiB in all, with 128 bytes counted for each event beside its text.
//
// A context of sqltx.In, or one that a projection's handler was given, makes the append part of that transaction.
func (s *Store) Append(ctx context.Context, stream StreamID, expected ExpectedVersion, events ...NewEvent) (Receipt, error) {
	receipts, err := s.AppendAll(ctx, Write{Stream: stream, Expected: expected, Events: events})
	if err != nil {
		return Receipt{}, err
	}
	return receipts[0], nil
}

// AppendAll appends to several streams in one atomic commit and returns a receipt for each write, in order. A write
// without events only checks its stream. If one expectation fails, nothing is written anywhere and the error names the
// stream. The same stream twice is refused. Everything else is as in Append.
func (s *Store) AppendAll(ctx context.Context, writes ...Write) ([]Receipt, error) {
	if err := s.calls.enter(); err != nil {
		return nil, err
	}
	defer s.calls.leave()
	prepared, err := s.prepare(ctx, writes)
	if err != nil || len(prepared) == 0 {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("eventstore: append to %s: %w", names(prepared), err)
	}
	receipts, err := s.commit(ctx, prepared)
	var duplicate *driver.DuplicateError
	if errors.As(err, &duplicate) {
		return s.firstReceipts(ctx, prepared, duplicate.Stored)
	}
	if err == nil && len(receipts) != len(prepared) {
		err = fmt.Errorf("outcome unknown, the driver returned %d receipts for %d writes", len(receipts), len(prepared))
	}
	if err != nil {
		return nil, appendError(prepared, err)
	}
	if !s.InTransaction(ctx) {
		s.tide.committed()
	}
	return withStreams(prepared, receipts), nil
}

// maxRaces bounds how often a commit that lost a race is tried again. Each lost race is a commit that somebody else
// won, and from the second try on the driver is told to wait for its turn, so it is hardly ever reached.
const maxRaces = 20

// commit gives the driver's commit another try when it lost a race: the next one meets a clear answer, unless it is made in
// a caller's transaction that is doomed.
func (s *Store) commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	commit := s.commitShared
	in, err := s.inTransaction(ctx)
	switch {
	case err != nil:
		return nil, err
	case s.inline.Load() != nil:
		commit = s.commitInline
	case in:
		commit = s.drv.Commit
	}
	for race := 0; ; race++ {
		receipts, err := commit(ctx, writes)
		if !errors.Is(err, driver.ErrRace) || race == maxRaces || in && errors.Is(err, driver.ErrDoomed) {
			return receipts, err
		}
		if err := pause(ctx, rand.N(time.Millisecond<<min(race, 6))); err != nil {
			return nil, err
		}
		for i := range writes {
			writes[i].Contended = true
		}
	}
}

// commitShared is a commit that may share one with others, and keeps out of their way while a stream of it is held.
func (s *Store) commitShared(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	for {
		if err := s.held.pass(ctx, writes); err != nil {
			return nil, err
		}
		receipts, err := s.group.commit(ctx, writes)
		if errors.Is(err, driver.ErrHeld) {
			receipts, err = s.held.commit(ctx, s.drv, writes)
		}
		if !errors.Is(err, driver.ErrHeld) {
			return receipts, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// prepare checks and encodes everything before the driver is called, so that a bad payload costs nobody anything.
func (s *Store) prepare(ctx context.Context, writes []Write) ([]driver.Write, error) {
	p := preparation{store: s, now: s.Now(), metadata: metadataOf(ctx)}
	prepared := make([]driver.Write, len(writes))
	for i, w := range writes {
		var err error
		if prepared[i], err = p.write(w); err != nil {
			return nil, err
		}
	}
	if err := cmp.Or(uniqueStreams(prepared), p.uniqueIDs(prepared)); err != nil {
		return nil, err
	}
	return prepared, s.protect(ctx, writes, prepared, p.downcasts)
}

// preparation is what the events of one call share.
type preparation struct {
	store    *Store
	now      time.Time
	metadata Metadata
	encoded  []byte // metadata, encoded once
	events   int
	bytes    int // of all of it

	downcasts map[uuid.UUID]downcastFunc // of the events that are stored in another way than they are written
}

func (p *preparation) write(w Write) (driver.Write, error) {
	if err := checkStream(w.Stream); err != nil {
		return driver.Write{}, err
	}
	if w.Expected < StreamExists {
		return driver.Write{}, fmt.Errorf("eventstore: append to stream %q: expected version is negative", w.Stream)
	}
	events := make([]driver.Event, len(w.Events))
	for i := range w.Events {
		if err := p.event(w.Stream, &w.Events[i], &events[i]); err != nil {
			return driver.Write{}, fmt.Errorf("eventstore: append to stream %q: event %d: %w", w.Stream, i+1, err)
		}
		if p.bytes += sizeOf(&events[i]); p.bytes > maxAppend {
			return driver.Write{}, fmt.Errorf("eventstore: append to stream %q: with event %d it comes to more than the %d bytes "+
				"that are allowed: append it in parts", w.Stream, i+1, maxAppend)
		}
	}
	p.events += len(events)
	return driver.Write{Stream: w.Stream, Expected: w.Expected, Events: events}, nil
}

// The bounds of an event and of an append, in bytes, are far above what belongs there and below what any of the databases can
// take. Beyond a gigabyte, quotes and all, Postgres drops the connection, which looks like a failure that a retry mends.
// Metadata has a lower bound, since payloads alone decide where a page ends.
const (
	maxPayload  = 64 << 20
	maxMetadata = 16 << 20
	maxAppend   = 256 << 20
	perEvent    = 128 // what an event costs beside its text, about
)

func (p *preparation) event(stream StreamID, e *NewEvent, out *driver.Event) error {
	enc, err := p.store.reg.Encode(e.Payload)
	if errors.Is(err, serializer.ErrUnknownType) {
		return &unknownEvent{err}
	}
	if err != nil {
		return err
	}
	for _, tag := range e.Tags {
		if err := checkName(tag); err != nil {
			return fmt.Errorf("tag %.80q %w", tag, err)
		}
	}
	md, err := p.metadataFor(e)
	if err != nil {
		return err
	}
	*out = driver.Event{ID: e.ID, Type: enc.Type, Schema: enc.Schema, ContentType: enc.ContentType, Data: enc.Data,
		Metadata: md, Tags: slices.Clone(e.Tags), RecordedAt: p.now}
	if out.ID == uuid.Nil {
		out.ID = p.store.NewID()
	}
	return cmp.Or(checkSize(out), p.downcast(stream, e, out))
}

func checkSize(e *driver.Event) error {
	if len(e.Data) > maxPayload {
		return fmt.Errorf("payload of %s is %d bytes long; %d are allowed", e.Type, len(e.Data), maxPayload)
	}
	if len(e.Metadata) > maxMetadata {
		return fmt.Errorf("metadata of %s is %d bytes long; %d are allowed", e.Type, len(e.Metadata), maxMetadata)
	}
	return nil
}

func sizeOf(e *driver.Event) int {
	n := perEvent + len(e.Data) + len(e.Metadata)
	for _, tag := range e.Tags {
		n += len(tag)
	}
	return n
}

func (p *preparation) metadataFor(e *NewEvent) ([]byte, error) {
	if len(e.Metadata) > 0 {
		return p.metadata.over(e.Metadata).encode()
	}
	if p.encoded == nil && len(p.metadata) > 0 {
		var err error
		if p.encoded, err = p.metadata.encode(); err != nil {
			return nil, err
		}
	}
	return p.encoded, nil
}

func uniqueStreams(writes []driver.Write) error {
	if len(writes) < 2 {
		return nil
	}
	seen := make(map[StreamID]bool, len(writes))
	for i := range writes {
		stream := writes[i].Stream
		if seen[stream] {
			return fmt.Errorf("eventstore: append: stream %q stands in the call twice: merge the two writes", stream)
		}
		seen[stream] = true
	}
	return nil
}

func (p *preparation) uniqueIDs(writes []driver.Write) error {
	if p.events < 2 {
		return nil
	}
	seen := make(map[uuid.UUID]StreamID, p.events)
	for _, w := range writes {
		for _, e := range w.Events {
			if _, twice := seen[e.ID]; twice {
				return fmt.Errorf("%w: %s stands in the append to stream %q twice", ErrIdempotency, e.ID, w.Stream)
			}
			seen[e.ID] = w.Stream
		}
	}
	return nil
}

func withStreams(writes []driver.Write, receipts []driver.Receipt) []Receipt {
	out := make([]Receipt, len(receipts))
	for i, r := range receipts {
		out[i] = Receipt{Stream: writes[i].Stream, Version: r.Version, Position: r.Position}
	}
	return out
}

func appendError(writes []driver.Write, err error) error {
	var conflict *driver.ConflictError
	if errors.As(err, &conflict) {
		return &ConflictError{Stream: conflict.Stream, Expected: expectedOf(writes, conflict.Stream), Actual: conflict.Actual}
	}
	return fmt.Errorf("eventstore: append to %s: %w", names(writes), err)
}

func expectedOf(writes []driver.Write, stream StreamID) ExpectedVersion {
	i := slices.IndexFunc(writes, func(w driver.Write) bool { return w.Stream == stream })
	if i < 0 {
		return Any
	}
	return writes[i].Expected
}

// names tells which streams an error is about, without flooding the text of a large AppendAll.
func names(writes []driver.Write) string {
	if len(writes) == 1 {
		return fmt.Sprintf("stream %q", writes[0].Stream)
	}
	return fmt.Sprintf("stream %q and %d more", writes[0].Stream, len(writes)-1)
}
