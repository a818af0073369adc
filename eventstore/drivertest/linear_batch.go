package drivertest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
)

// knowledge is what the clients of a round tell each other, so that their calls meet: the streams, how long these are,
// and what was sent.
type knowledge struct {
	streams []eventstore.StreamID
	numbers atomic.Int64 // of events

	mu       sync.Mutex
	versions map[eventstore.StreamID]int64
	sent     []*batch
	same     map[string]*batch // retries of one batch are one batch
	position int64             // the highest that a call returned
}

func newKnowledge(round, streams int) *knowledge {
	k := &knowledge{versions: make(map[eventstore.StreamID]int64), same: make(map[string]*batch)}
	for i := range streams {
		k.streams = append(k.streams, eventstore.StreamID{Type: [...]string{"note", "text"}[i%2], ID: fmt.Sprintf("%d.%c", round, 'a'+i)})
	}
	return k
}

func (k *knowledge) learn(stream eventstore.StreamID, version, position int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.versions[stream] = max(k.versions[stream], version)
	k.position = max(k.position, position)
}

func (k *knowledge) version(stream eventstore.StreamID) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.versions[stream]
}

// top is the highest position that a call returned.
func (k *knowledge) top() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.position
}

// send keeps a batch before it is sent, so that others may send it at the same time, and returns it, or the one that it is
// a retry of.
func (k *knowledge) send(b *batch) *batch {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := b.stream.String()
	for _, e := range b.events {
		key += fmt.Sprintf(" %s %v", e.ID, e.Payload)
	}
	if first, ok := k.same[key]; ok {
		return first
	}
	k.same[key] = b
	k.sent = append(k.sent, b)
	return b
}

// earlier returns something that was sent, most often a while ago, or nil.
func (k *knowledge) earlier(rng *rand.Rand) *batch {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.sent)
	if n == 0 {
		return nil
	}
	return k.sent[n-1-rng.IntN(min(n, 20))]
}

// batches makes up what a client sends.
type batches struct {
	*knowledge
	rng *rand.Rand
	ids *rand.ChaCha8
}

func newBatches(k *knowledge, seed uint64, round, client int) batches {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(round))
	binary.LittleEndian.PutUint64(key[16:], uint64(client))
	return batches{knowledge: k, rng: rand.New(rand.NewPCG(seed, uint64(round)<<32|uint64(client+1))), ids: rand.NewChaCha8(key)}
}

func choose[T any](rng *rand.Rand, choices ...T) T { return choices[rng.IntN(len(choices))] }

func (b *batches) stream() eventstore.StreamID { return choose(b.rng, b.streams...) }

// fresh is a batch that nobody has sent, of no events now and then.
func (b *batches) fresh(stream eventstore.StreamID) *batch {
	made := &batch{stream: stream}
	for range choose(b.rng, 0, 1, 1, 1, 1, 2, 3, 8) {
		made.events = append(made.events, b.event())
	}
	if len(made.events) > 0 {
		return b.send(made)
	}
	return made
}

func (b *batches) event() eventstore.NewEvent {
	n := int(b.numbers.Add(1))
	e := eventstore.NewEvent{ID: uuid.Must(uuid.NewRandomFromReader(b.ids)), Payload: payload(n, "")}
	if n%3 == 0 {
		e.Metadata, e.Tags = eventstore.Metadata{"n": fmt.Sprint(n), "note": "it's"}, []string{fmt.Sprint(n), "x"}
	}
	return e
}

func payload(n int, text string) any {
	if n%2 == 0 {
		return evenNote{N: n, Text: text}
	}
	return oddNote{N: n, Text: text}
}

// numberOf is the event's in the texts of violations.
func numberOf(e *eventstore.NewEvent) int {
	switch p := e.Payload.(type) {
	case oddNote:
		return p.N
	case evenNote:
		return p.N
	default:
		return 0
	}
}

// repeated is a batch that was sent before, or nil: the very same, or one that looks like it and uses its ids for
// something else.
func (b *batches) repeated() *batch {
	old := b.earlier(b.rng)
	if old == nil || b.rng.IntN(4) > 0 {
		return old
	}
	altered := &batch{stream: old.stream, events: append([]eventstore.NewEvent(nil), old.events...)}
	switch first := &altered.events[0]; b.rng.IntN(3) {
	case 0:
		altered.stream = b.stream()
	case 1:
		first.Payload = payload(numberOf(first), "altered")
	default:
		altered.events = altered.events[:b.rng.IntN(len(altered.events))]
		if len(altered.events) == 0 || b.rng.IntN(2) == 0 {
			altered.events = append(altered.events, b.event())
		}
	}
	return b.send(altered)
}

// expected fits what is known of the stream more often than not.
func (b *batches) expected(stream eventstore.StreamID) eventstore.ExpectedVersion {
	version := b.version(stream)
	return choose(b.rng, eventstore.Any, eventstore.Any, eventstore.Any, eventstore.Any, eventstore.Exactly(version),
		eventstore.Exactly(version), eventstore.Exactly(version), eventstore.Exactly(version+1),
		eventstore.Exactly(max(0, version-1)), eventstore.NoStream, eventstore.StreamExists)
}

// clashing reports whether the portable store refuses two batches in one call.
func clashing(parts []part, b *batch) bool {
	for _, p := range parts {
		if p.stream == b.stream || overlapping(p.batch, b) {
			return true
		}
	}
	return false
}

func overlapping(a, b *batch) bool {
	for i := range a.events {
		for j := range b.events {
			if a.events[i].ID == b.events[j].ID {
				return true
			}
		}
	}
	return false
}
