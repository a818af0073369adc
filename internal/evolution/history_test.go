package evolution_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// history is what three releases have stored, and what the third is to read.
type history struct {
	rng     *rand.Rand
	now     time.Time
	driver  driver.Store
	codecs  []serializer.Codec
	stored  int
	streams []eventstore.StreamID
	want    []expected
}

// expected is one event as the third release reads it.
type expected struct {
	stream   eventstore.StreamID
	version  int64
	part     int
	id       uuid.UUID
	time     time.Time
	typ      string
	schema   int
	payload  any
	metadata eventstore.Metadata
	tags     []string
}

// newHistory returns an empty history. The releases write by any of these codecs.
func newHistory(t *testing.T, d driver.Store, codecs ...serializer.Codec) *history {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	h := &history{rng: rand.New(rand.NewPCG(seed, 0)), driver: d, codecs: codecs}
	h.now = time.Date(2019, 12, 31, 23, 0, 0, 0, time.UTC)
	for i := range 4 {
		h.streams = append(h.streams, eventstore.StreamID{Type: "order", ID: fmt.Sprint(i)})
	}
	return h
}

func (h *history) Now() time.Time { return h.now }

func (h *history) codec() serializer.Codec { return h.codecs[h.rng.IntN(len(h.codecs))] }

// release returns a store of a release, 1 to 3. They share the driver, so none is closed.
func (h *history) release(t *testing.T, n int) *eventstore.Store {
	opts := &eventstore.Options{Now: h.Now}
	reg := map[int]func(serializer.Codec) *serializer.Registry{1: registry1, 2: registry2, 3: registry3}[n](h.codec())
	if n == 3 {
		opts.Upcasters = steps(t)
		if h.rng.IntN(2) == 0 {
			opts.Downcasts = back(t)
		}
	}
	store, err := eventstore.New(h.driver, reg, opts)
	require.NoError(t, err)
	return store
}

// write has a release append an event to a stream.
func (h *history) write(t *testing.T, stream eventstore.StreamID) {
	release := 1 + h.rng.IntN(3)
	h.now = h.now.Add(time.Duration(h.rng.IntN(100)) * 24 * time.Hour)
	event := eventstore.NewEvent{ID: uuid.New(), Tags: []string{"web", "vip"}[:1+h.rng.IntN(2)],
		Metadata: eventstore.Metadata{"operator": h.text(), "request": h.text()}}
	if release == 1 {
		delete(event.Metadata, "operator")
	}
	var today []any
	event.Payload, today = h.payload(release, stream, &event)
	receipt, err := h.release(t, release).Append(t.Context(), stream, eventstore.Any, event)
	require.NoError(t, err)
	h.stored++
	for part, payload := range today {
		h.expect(t, expected{stream: stream, version: receipt.Version, part: part, id: event.ID, time: h.now,
			payload: payload, tags: event.Tags}, event)
	}
}

func (h *history) expect(t *testing.T, e expected, written eventstore.NewEvent) {
	enc, err := registry3(serializer.JSON()).Encode(e.payload)
	require.NoError(t, err)
	e.typ, e.schema, e.metadata = enc.Type, enc.Schema, written.Metadata
	if old, ok := written.Payload.(lineAdded1); ok {
		e.metadata = eventstore.Metadata{"operator": old.Operator, "request": written.Metadata["request"]}
	}
	h.want = append(h.want, e)
}

// text returns anything but nothing.
func (h *history) text() string {
	return strings.Repeat("é", 1+h.rng.IntN(3)) + fmt.Sprint(h.rng.IntN(10))
}

// payload returns what a release may write, and what the third reads it as. This is all written out, so that it depends on
// no step.
func (h *history) payload(release int, stream eventstore.StreamID, e *eventstore.NewEvent) (written any, today []any) {
	a, b, n := h.text(), h.text(), h.rng.Int64N(1<<62)
	ref, year := stream.ID+e.ID.String(), h.now.Year()
	operator := e.Metadata["operator"]
	choices := [][2]any{}
	add := func(written any, today ...any) { choices = append(choices, [2]any{written, today}) }
	switch release {
	case 1:
		add(placed1{a, 3}, placed{a, money{300, "GBP"}, year})
		add(lineAdded1{a, b}, lineAdded{a, 1, b, "web", ref})
		add(addressesChanged1{a, b}, billedTo{a}, deliveredTo{b})
		add(viewed1{3})
		add(paidByCard1{n}, paid{money{n, "GBP"}, "card"})
		add(paidInCash1{n, b}, paid{money{n, "GBP"}, "cash at " + b})
		add(noted1{a}, commented{a})
	case 2:
		add(placed2{a, n}, placed{a, money{n, "GBP"}, year})
		add(lineAdded2{a, 7}, lineAdded{a, 7, operator, "web", ref})
		add(paid1{n, b}, paid{money{n, "GBP"}, b})
		add(imported1{a, n, [2]string{a, b}}, placed{a, money{n, "GBP"}, year}, lineAdded{a, 1, operator, "web", ref},
			lineAdded{b, 1, operator, "web", ref})
		add(commented1{a}, commented{a})
	default:
		for _, e := range []any{placed{a, money{n, "EUR"}, 7}, lineAdded{a, 2, b, b, a}, billedTo{a}, deliveredTo{b},
			paid{money{n, "GBP"}, b}, commented{a}} {
			add(e, e)
		}
	}
	chosen := choices[h.rng.IntN(len(choices))]
	return chosen[0], chosen[1].([]any)
}

// of returns what is expected of one stream.
func (h *history) of(stream eventstore.StreamID) (want []expected) {
	for _, e := range h.want {
		if e.stream == stream {
			want = append(want, e)
		}
	}
	return want
}

// add is what an order does with an event. Trail depends on all of it, and on the order.
func (s *state) add(payload any) {
	s.Events++
	s.Trail = s.Trail*31 + crc32.ChecksumIEEE(fmt.Appendf(nil, "%T%+v", payload, payload))
	if p, ok := payload.(paid); ok {
		s.Total.Amount += p.Amount.Amount % 1000 * 100
	}
}

// at returns the state of an order as of a version.
func (h *history) at(stream eventstore.StreamID, version int64) state {
	s := state{Total: money{Currency: "GBP"}}
	for _, e := range h.of(stream) {
		if e.version <= version {
			s.add(e.payload)
		}
	}
	return s
}
