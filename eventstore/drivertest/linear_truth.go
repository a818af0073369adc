package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// truth is what the log holds in the end. Every answer that a client was given has to agree with it.
type truth struct {
	log     []*fact
	streams map[eventstore.StreamID][]*fact // the one of version v stands at v-1
	ids     map[uuid.UUID]*fact
}

// fact is a stored event.
type fact struct {
	entry
	appendSize int
	data       []byte
}

// place is where a batch is stored.
type place struct{ first, last *fact }

// readTruth reads the log, and through each handle, as one more client, every stream and the log again.
func (r *round) readTruth(ctx context.Context) error {
	log := newFollower()
	log.q.After = r.start
	drv := r.live()[0].drv
	if err := again(ctx, func() error { return log.toHead(ctx, drv) }); err != nil {
		return fmt.Errorf("read the log at the end of round %d: %w", r.number, err)
	}
	r.truth = &truth{streams: make(map[eventstore.StreamID][]*fact), ids: make(map[uuid.UUID]*fact)}
	for i := range log.records {
		if err := r.add(&log.records[i]); err != nil {
			return err
		}
	}
	for i, store := range r.stores {
		r.readBack(ctx, store, fmt.Sprintf("afterwards, handle %d", i+1))
	}
	return nil
}

func (r *round) add(rec *driver.Record) error {
	t := r.truth
	e := eventstore.Event{Position: rec.Position, Version: rec.Version, Stream: rec.Stream, ID: rec.ID, Type: rec.Type,
		Schema: rec.Schema, ContentType: rec.ContentType, Raw: rec.Data, Tags: rec.Tags, RecordedAt: rec.RecordedAt}
	if len(rec.Metadata) > 0 {
		if err := json.Unmarshal(rec.Metadata, &e.Metadata); err != nil {
			return fmt.Errorf("metadata of position %d: %w", rec.Position, err)
		}
	}
	f := &fact{entry: r.entry(&e), appendSize: rec.AppendSize, data: rec.Data}
	if twin := t.ids[f.id]; twin != nil {
		return violation(once, fmt.Sprintf("event %s stands at position %d and at position %d", f.id, twin.position, f.position),
			r.rec.senders(f.id)...)
	}
	stream := append(t.streams[f.stream], f)
	if f.version != int64(len(stream)) {
		return violation(contiguous, fmt.Sprintf("position %d holds version %d of %q, after version %d", f.position, f.version,
			f.stream, len(stream)-1))
	}
	t.log, t.streams[f.stream], t.ids[f.id] = append(t.log, f), stream, f
	return nil
}

func (r *round) readBack(ctx context.Context, store *eventstore.Store, name string) {
	c := &client{round: r, name: name, store: store}
	for _, stream := range r.known.streams {
		c.readAs(ctx, &readCall{span: span{by: name}, stream: stream})
	}
	for next := r.start; ctx.Err() == nil && r.broken() == nil; {
		call := &pageCall{span: span{by: name}, after: next}
		if _, err := r.readPage(ctx, store, call); err != nil {
			pauseFor(ctx, outage)
			continue
		}
		if next = call.next; call.next >= call.head {
			return
		}
	}
}

// remembers looks for what was stored when the round before had ended. Nobody has written since, but the database may have
// been closed and opened again.
func (r *round) remembers(before *round) error {
	log := newFollower()
	log.q.After = before.start
	drv := r.live()[0].drv
	if err := again(r.ctx, func() error { return log.toHead(r.ctx, drv) }); err != nil {
		return fmt.Errorf("read the log of round %d again: %w", before.number, err)
	}
	for i, f := range before.truth.log {
		if i == len(log.records) || !f.is(&log.records[i]) {
			return violation(nothingLost, fmt.Sprintf("when round %d had ended, position %d held version %d of %q; now it does not",
				before.number, f.position, f.version, f.stream), before.rec.senders(f.id)...)
		}
	}
	if more := log.records[len(before.truth.log):]; len(more) > 0 {
		return violation(nothingElse, fmt.Sprintf("position %d holds version %d of %q, which came when round %d had ended and all was settled",
			more[0].Position, more[0].Version, more[0].Stream, before.number))
	}
	return nil
}

func (f *fact) is(rec *driver.Record) bool {
	return f.position == rec.Position && f.id == rec.ID && bytes.Equal(f.data, rec.Data)
}

// last is the position of the last event that a reader selects.
func (t *truth) last(opts eventstore.ReadOptions) int64 {
	for i := len(t.log) - 1; i >= 0; i-- {
		if selects(&opts, &t.log[i].entry) {
			return t.log[i].position
		}
	}
	return 0
}

func selects(o *eventstore.ReadOptions, e *entry) bool {
	return (len(o.Types) == 0 || o.Types[0] == e.typ) && (len(o.StreamTypes) == 0 || o.StreamTypes[0] == e.stream.Type)
}

// at returns an event of a stream, nil if there is none at this version.
func (t *truth) at(stream eventstore.StreamID, version int64) *fact {
	if all := t.streams[stream]; version >= 1 && version <= int64(len(all)) {
		return all[version-1]
	}
	return nil
}

// placeOf finds a batch: all of it, as one append, and nothing else.
func (t *truth) placeOf(b *batch) (place, bool) {
	if len(b.events) == 0 {
		return place{}, false
	}
	first := t.ids[b.events[0].ID]
	if first == nil || first.stream != b.stream || first.appendSize != len(b.events) {
		return place{}, false
	}
	found := place{first: first}
	for i := range b.events {
		f := t.at(b.stream, first.version+int64(i))
		if f == nil || f.id != b.events[i].ID || !bytes.Equal(f.data, dataOf(&b.events[i])) {
			return place{}, false
		}
		found.last = f
	}
	return found, true
}

func dataOf(e *eventstore.NewEvent) []byte {
	data, err := json.Marshal(e.Payload)
	if err != nil {
		panic(err) // a struct of a number and a text
	}
	return data
}
