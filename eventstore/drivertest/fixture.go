package drivertest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// noted is the payload where a case goes through the portable store.
type noted struct {
	N    int
	Text string `json:",omitempty"`
}

func registry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[noted](reg, "noted")
	return reg
}

// notes returns n events with ids, numbered from 1.
func notes(n int) []eventstore.NewEvent {
	events := make([]eventstore.NewEvent, n)
	for i := range events {
		events[i] = eventstore.NewEvent{ID: uuid.New(), Payload: noted{N: i + 1}}
	}
	return events
}

// someTime is a time with a digit in each place that may be stored.
var someTime = time.Date(2025, time.March, 4, 5, 6, 7, 890_123_000, time.UTC)

// event returns a driver's event of some type.
func event(typ string) driver.Event {
	return driver.Event{
		ID:          uuid.New(),
		Type:        typ,
		Schema:      1,
		ContentType: "application/json",
		Data:        []byte(`{"N": 1}`),
		RecordedAt:  someTime,
	}
}

// events returns n driver's events whose data says which is which.
func events(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		list[i] = event("noted")
		list[i].Data = fmt.Appendf(nil, `{"N": %d}`, i+1)
	}
	return list
}

// named returns the id of a stream of notes.
func named(format string, args ...any) driver.StreamID {
	return driver.StreamID{Type: "note", ID: fmt.Sprintf(format, args...)}
}

func write(stream driver.StreamID, expected driver.ExpectedVersion, events ...driver.Event) driver.Write {
	return driver.Write{Stream: stream, Expected: expected, Events: events}
}

// commit makes a commit that lost a race again, as the portable store does.
func (h *handle) commit(ctx context.Context, writes ...driver.Write) ([]driver.Receipt, error) {
	for {
		receipts, err := h.drv.Commit(ctx, writes)
		if !errors.Is(err, driver.ErrRace) || ctx.Err() != nil {
			return receipts, err
		}
		writes = slices.Clone(writes)
		for i := range writes {
			writes[i].Contended = true
		}
	}
}

// append ends the case unless the events can be appended.
func (h *handle) append(stream driver.StreamID, expected driver.ExpectedVersion, events ...driver.Event) driver.Receipt {
	receipts, err := h.commit(h.p.ctx, write(stream, expected, events...))
	h.p.ok(err, "append %d events to stream %q, expecting %v", len(events), stream, expected)
	h.p.equal(1, len(receipts), "number of receipts for one write")
	return receipts[0]
}

// The sizes of pages where a case doesn't care.
const (
	plenty    = 1000
	manyBytes = math.MaxInt32
)

// stream reads a whole stream.
func (h *handle) stream(stream driver.StreamID) []driver.Record {
	records, err := h.readStream(h.p.ctx, stream)
	h.p.ok(err, "read stream %q", stream)
	return records
}

func (h *handle) readStream(ctx context.Context, stream driver.StreamID) ([]driver.Record, error) {
	q := driver.StreamQuery{Stream: stream, From: 1, Limit: plenty, MaxBytes: manyBytes}
	var records []driver.Record
	for {
		page, err := h.drv.ReadStream(ctx, q)
		records = append(records, page...)
		if err != nil || len(page) < q.Limit {
			return records, err
		}
		q.From = page[len(page)-1].Version + 1
	}
}

// collect gathers an iteration of the portable store.
func collect(seq iter.Seq2[eventstore.Event, error]) ([]eventstore.Event, error) {
	var events []eventstore.Event
	for e, err := range seq {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func last[T any](list []T) T { return list[len(list)-1] }
