package drivertest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// history makes up operations. It looks at the first side alone, to hit existing versions and ids often enough.
type history struct {
	rng   *rand.Rand
	ids   *rand.ChaCha8
	sides [2]*side
	sent  []driver.Write // with events, whether they were stored or not
}

func newHistory(seed uint64) *history {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &history{rng: rand.New(rand.NewPCG(seed, 0)), ids: rand.NewChaCha8(key)}
}

// operation returns the next operation.
func (h *history) operation() operation {
	if h.both(func(s *side) bool { return s.transactor != nil }) && h.rng.IntN(6) == 0 {
		return h.transaction()
	}
	return h.simple()
}

// simple is an operation that may be a part of a transaction.
func (h *history) simple() operation {
	switch n := h.rng.IntN(20); {
	case n < 8:
		return commitOperation(h.writes())
	case n < 12:
		return streamOperation(h.streamQuery())
	case n < 16:
		return logOperation(h.rng.IntN(len(h.sides[0].log.records)+2), h.logFilter())
	case n < 18 && h.both(func(s *side) bool { return s.snapshots != nil }):
		return snapshotOperation(h.snapshot())
	case h.both(func(s *side) bool { return s.checkpoints != nil }):
		return checkpointOperation(pick(h, "a", "A"), h.rng.Int64N(4), h.rng.Int64N(4))
	default:
		return streamOperation(h.streamQuery())
	}
}

func (h *history) both(has func(s *side) bool) bool { return has(h.sides[0]) && has(h.sides[1]) }

func (h *history) transaction() operation {
	var parts []operation
	for range 1 + h.rng.IntN(4) {
		parts = append(parts, h.simple())
	}
	return transactionOperation(parts, h.rng.IntN(3) > 0)
}

func pick[T any](h *history, choices ...T) T { return choices[h.rng.IntN(len(choices))] }

func (h *history) stream() driver.StreamID {
	return driver.StreamID{Type: pick(h, "order", "cart"), ID: pick(h, "1", "2", "é")}
}

// writes is one write to a few different streams: most often one.
func (h *history) writes() []driver.Write {
	writes := make([]driver.Write, 0, 3)
	for range pick(h, 1, 1, 1, 1, 2, 3) {
		if w := h.write(); !clashes(writes, w) {
			writes = append(writes, w)
		}
	}
	h.sent = append(h.sent, slices.DeleteFunc(slices.Clone(writes), func(w driver.Write) bool { return len(w.Events) == 0 })...)
	return writes
}

// clashes reports whether a write has a stream or an id that stands in writes already, which the portable layer refuses.
func clashes(writes []driver.Write, w driver.Write) bool {
	return slices.ContainsFunc(writes, func(other driver.Write) bool {
		return other.Stream == w.Stream || slices.ContainsFunc(w.Events, func(e driver.Event) bool {
			return slices.ContainsFunc(other.Events, func(o driver.Event) bool { return o.ID == e.ID })
		})
	})
}

func (h *history) write() driver.Write {
	if len(h.sent) > 0 && h.rng.IntN(5) == 0 {
		return h.again(pick(h, h.sent...))
	}
	w := driver.Write{Stream: h.stream(), Events: make([]driver.Event, pick(h, 0, 1, 1, 1, 2, 3))}
	for i := range w.Events {
		w.Events[i] = h.event()
	}
	w.Expected = h.expected(w.Stream)
	return w
}

// again is an earlier write, or something that looks like it.
func (h *history) again(w driver.Write) driver.Write {
	w.Events = slices.Clone(w.Events)
	switch h.rng.IntN(6) {
	case 0:
		w.Stream = h.stream()
	case 1:
		w.Events = w.Events[:1+h.rng.IntN(len(w.Events))]
	case 2:
		w.Events = append(w.Events, h.event())
	case 3:
		slices.Reverse(w.Events)
	}
	if h.rng.IntN(2) == 0 {
		w.Expected = h.expected(w.Stream)
	}
	return w
}

func (h *history) expected(stream driver.StreamID) driver.ExpectedVersion {
	version := h.sides[0].version(stream)
	return pick(h, driver.Any, driver.Any, driver.Any, driver.NoStream, driver.StreamExists, driver.ExpectedVersion(version),
		driver.ExpectedVersion(version), driver.ExpectedVersion(version), driver.ExpectedVersion(version+1),
		driver.ExpectedVersion(max(0, version-1)))
}

func (h *history) event() driver.Event {
	e := event(pick(h, "placed", "paid", "Paid"))
	e.ID = uuid.Must(uuid.NewRandomFromReader(h.ids))
	e.Schema = 1 + h.rng.IntN(3)
	e.Data = []byte(pick(h, shortJSON()...))
	if h.rng.IntN(4) == 0 {
		e.ContentType, e.Data = "application/octet-stream", []byte(pick(h, "", "\x00\xff", "text"))
	}
	if h.rng.IntN(2) == 0 {
		e.Metadata, e.Tags = []byte(pick(h, shortJSON()...)), []string{pick(h, oddTexts()...), "x"}
	}
	e.RecordedAt = someTime.Add(time.Duration(h.rng.IntN(1e9)) * time.Microsecond)
	return e
}

// shortJSON leaves out the long one: it costs much and shows nothing here.
func shortJSON() []string {
	return slices.DeleteFunc(oddJSON(), func(s string) bool { return len(s) > 1000 })
}

// The queries go to the borders of small streams, and a little beyond.
func (h *history) streamQuery() driver.StreamQuery {
	stream := h.stream()
	n := h.sides[0].version(stream) + 3
	return driver.StreamQuery{Stream: stream, From: 1 + h.rng.Int64N(n), To: h.rng.Int64N(n), Backward: h.rng.IntN(2) == 0,
		Limit: 1 + h.rng.IntN(7), MaxBytes: pick(h, 1, 20, 100, manyBytes, manyBytes)}
}

func (h *history) logFilter() driver.AllQuery {
	return driver.AllQuery{Types: pick(h, nil, nil, []string{"paid"}, []string{"placed", "Paid", "missing"}),
		StreamTypes: pick(h, nil, nil, []string{"order"}, []string{"cart", "missing"}),
		Limit:       h.rng.IntN(8), MaxBytes: pick(h, 1, 20, 100, manyBytes, manyBytes)}
}

func (h *history) snapshot() driver.Snapshot {
	s := snapshot(h.stream(), 1+h.rng.Int64N(6))
	s.Schema, s.Data = 1+h.rng.IntN(3), []byte(fmt.Sprintf(`{"n": %d}`, h.rng.IntN(1000)))
	return s
}
