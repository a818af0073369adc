package drivertest

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
)

// recording is what the clients of a round did and were told. Times are ticks: each call takes one when it begins and one
// when it has returned, so two calls that did not overlap are never taken for two that did, nor the other way round.
type recording struct {
	clock  atomic.Int64
	faults bool // connections are cut

	mu            sync.Mutex
	appends       []*appendCall // those inside transactions included
	transactions  []*transactionCall
	reads         []*readCall // those inside transactions included
	pages         []*pageCall
	subscriptions []*subscription
}

func (r *recording) tick() int64 { return r.clock.Add(1) }

func (r *recording) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.appends) + len(r.transactions) + len(r.reads) + len(r.pages) + len(r.subscriptions)
}

func record[T any](r *recording, list *[]T, c T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*list = append(*list, c)
}

// never is the end of what may still happen at any time.
const never = math.MaxInt64

// senders returns the calls that sent an event.
func (r *recording) senders(id uuid.UUID) []any {
	r.mu.Lock()
	defer r.mu.Unlock()
	var calls []any
	for _, a := range r.appends {
		for _, p := range a.parts {
			if slices.ContainsFunc(p.events, func(e eventstore.NewEvent) bool { return e.ID == id }) {
				calls = append(calls, a.witness()...)
			}
		}
	}
	return calls
}

// span is when a call was made, and by whom.
type span struct {
	by         string
	begin, end int64
}

// outcome is what a call says about what it wrote.
type outcome int

const (
	unknown    outcome = iota // the caller gave up, or the connection was lost
	stored                    // written by this call; of a transaction: committed
	duplicate                 // written by an earlier call
	conflicted                // not written: a version was not as expected
	misused                   // not written: ids are taken
	nothing                   // not written for another reason; of a transaction: rolled back
)

// batch is the events of one write, which may be sent more than once.
type batch struct {
	stream eventstore.StreamID
	events []eventstore.NewEvent
}

// part is one write of an append.
type part struct {
	*batch
	expected eventstore.ExpectedVersion
}

// appendCall is a call of Append or AppendAll.
type appendCall struct {
	span
	parts    []part
	within   *transactionCall // nil if it was in none
	outcome  outcome
	receipts []eventstore.Receipt      // where stored or duplicate
	conflict *eventstore.ConflictError // where conflicted
	err      error
}

// transactionCall is a call of Transact. Its steps, *appendCall and *readCall, stand in the order in which they were made.
type transactionCall struct {
	span
	outcome outcome
	steps   []any
	err     error
}

// readCall is a read of a stream that came to its end.
type readCall struct {
	span
	stream eventstore.StreamID
	opts   eventstore.StreamOptions
	got    []entry
	within *transactionCall // nil if it was in none
}

// pageCall is a read of a page of the log.
type pageCall struct {
	span
	after      int64
	opts       eventstore.ReadOptions
	got        []entry
	next, head int64
}

// subscription is what a subscriber was handed, and when.
type subscription struct {
	span
	after int64
	opts  eventstore.ReadOptions
	got   []entry
	at    []int64
}

// entry is an event as somebody was handed it. Two entries are equal if everything about the event is.
type entry struct {
	position, version int64
	stream            eventstore.StreamID
	id                uuid.UUID
	typ               string
	content           uint64 // of payload, metadata, tags and time
}

// contents hashes what is too large to keep for every reader.
type contents struct{ seed maphash.Seed }

func (c contents) entry(e *eventstore.Event) entry {
	var h maphash.Hash
	h.SetSeed(c.seed)
	maphash.WriteComparable(&h, [4]any{e.Schema, e.ContentType, string(e.Raw), e.RecordedAt.UnixMicro()})
	for _, tag := range e.Tags {
		maphash.WriteComparable(&h, tag)
	}
	var metadata uint64
	for k, v := range e.Metadata {
		metadata ^= maphash.Comparable(c.seed, [2]string{k, v})
	}
	maphash.WriteComparable(&h, metadata)
	return entry{position: e.Position, version: e.Version, stream: e.Stream, id: e.ID, typ: e.Type, content: h.Sum64()}
}
