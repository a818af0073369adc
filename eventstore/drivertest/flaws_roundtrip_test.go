package drivertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// stores has f change what is stored of each event.
func (b *broken) stores(f func(e *driver.Event)) {
	b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		writes = slices.Clone(writes)
		for i := range writes {
			writes[i].Events = slices.Clone(writes[i].Events)
			for j := range writes[i].Events {
				f(&writes[i].Events[j])
			}
		}
		return b.toyHandle.Commit(ctx, writes)
	}
}

// hands has f change what is handed out of each event.
func (b *broken) hands(f func(e *driver.Event)) {
	each := func(records []driver.Record) {
		for i := range records {
			f(&records[i].Event)
		}
	}
	b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
		records, err := b.toyHandle.ReadStream(ctx, q)
		each(records)
		return records, err
	}
	b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
		page, err := b.toyHandle.ReadAll(ctx, q)
		each(page.Records)
		return page, err
	}
}

// renames has f change the ids of streams, for events and snapshots.
func (b *broken) renames(f func(id string) string) {
	b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		writes = slices.Clone(writes)
		for i := range writes {
			writes[i].Stream.ID = f(writes[i].Stream.ID)
		}
		return b.toyHandle.Commit(ctx, writes)
	}
	b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
		q.Stream.ID = f(q.Stream.ID)
		return b.toyHandle.ReadStream(ctx, q)
	}
	b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
		s.Stream.ID = f(s.Stream.ID)
		return b.toyHandle.SaveSnapshot(ctx, s)
	}
	b.loadSnapshot = func(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error) {
		stream.ID = f(stream.ID)
		return b.toyHandle.LoadSnapshot(ctx, stream)
	}
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return b
	}
	return out.Bytes()
}

func roundtripFlaws() []flaw {
	return slices.Concat(contentFlaws(), sliceFlaws(), nameFlaws(), separatorFlaws())
}

func contentFlaws() []flaw {
	return []flaw{
		{name: "it tidies JSON payloads up", catches: []catch{{"A12/JSON payloads come back byte for byte", "data: want"}},
			spoil: func(b *broken) { b.stores(func(e *driver.Event) { e.Data = compact(e.Data) }) }},
		{name: "it stores payloads as text", catches: []catch{
			{"A12/payloads of other content types come back byte for byte", "data: want"},
		}, spoil: func(b *broken) {
			b.stores(func(e *driver.Event) { e.Data = bytes.ToValidUTF8(e.Data, []byte("?")) })
		}},
		{name: "it tidies content types up", catches: []catch{{"A12/content types come back as they were", "content type: want"}},
			spoil: func(b *broken) { b.stores(func(e *driver.Event) { e.ContentType = strings.TrimSpace(e.ContentType) }) }},
		{name: "it writes content types in lower case", catches: []catch{{"A12/content types come back as they were", "content type: want"}},
			spoil: func(b *broken) { b.stores(func(e *driver.Event) { e.ContentType = strings.ToLower(e.ContentType) }) }},
		{name: "it tidies metadata up", catches: []catch{{"A12/metadata comes back byte for byte", "metadata: want"}},
			spoil: func(b *broken) { b.stores(func(e *driver.Event) { e.Metadata = compact(e.Metadata) }) }},
		{name: "it sorts tags", catches: []catch{{"A12/tags come back as they were, in their order", "tags: want"}},
			spoil: func(b *broken) {
				b.stores(func(e *driver.Event) { e.Tags = slices.Sorted(slices.Values(e.Tags)) })
			}},
		{name: "it takes a type's trailing space away", catches: []catch{
			{"A12/types, schema versions and ids come back as they were", "type: want"},
		}, spoil: func(b *broken) {
			b.stores(func(e *driver.Event) { e.Type = strings.TrimRight(e.Type, " ") })
		}},
		{name: "it keeps milliseconds", catches: []catch{{"A12/times come back in UTC, to the microsecond", "time: want"}},
			spoil: func(b *broken) {
				b.stores(func(e *driver.Event) { e.RecordedAt = e.RecordedAt.Truncate(time.Millisecond) })
			}},
		{name: "it hands out times in a zone of its own", catches: []catch{{"A12/times come back in UTC, to the microsecond", "time: want"}},
			spoil: func(b *broken) {
				zone := time.FixedZone("", 0)
				b.hands(func(e *driver.Event) { e.RecordedAt = e.RecordedAt.In(zone) })
			}},
	}
}

func sliceFlaws() []flaw {
	return []flaw{
		{name: "it sorts the caller's slices", catches: []catch{{"A12/the caller's slices are not changed", "the caller's writes after Commit"}},
			spoil: func(b *broken) { b.stores(func(e *driver.Event) { slices.Sort(e.Tags) }) }},
		{name: "it sorts the caller's filters", catches: []catch{{"A12/the caller's slices are not changed", "the caller's types after ReadAll"}},
			spoil: func(b *broken) {
				b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
					slices.Sort(q.Types)
					return b.toyHandle.ReadAll(ctx, q)
				}
			}},
		{name: "it keeps the caller's slices", catches: []catch{
			{"A12/the caller's slices are not kept", "after the caller changed the slices of the append"},
		}, spoil: func(b *broken) {
			var kept sync.Map
			b.stores(func(e *driver.Event) { kept.Store(e.ID, *e) })
			b.hands(func(e *driver.Event) { *e = load(&kept, e.ID, *e) })
		}},
		{name: "it hands out slices that it keeps", catches: []catch{
			{"A12/what is returned is the caller's", "after the caller changed what was returned before"},
		}, spoil: func(b *broken) {
			var kept sync.Map
			b.hands(func(e *driver.Event) {
				*e = load(&kept, e.ID, *e)
				kept.Store(e.ID, *e)
			})
		}},
	}
}

func load(kept *sync.Map, id uuid.UUID, otherwise driver.Event) driver.Event {
	if e, ok := kept.Load(id); ok {
		return e.(driver.Event)
	}
	return otherwise
}

// joinsWith has a driver keep a stream under its type and id with a separator between them.
func joinsWith(separator string) func(b *broken) {
	var first sync.Map // the first stream under each key, by database and key
	type key struct {
		db   *toy
		text string
	}
	return func(b *broken) {
		streamOf := func(s driver.StreamID) driver.StreamID {
			kept, _ := first.LoadOrStore(key{b.db, s.Type + separator + s.ID}, s)
			return kept.(driver.StreamID)
		}
		b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
			writes = slices.Clone(writes)
			for i := range writes {
				writes[i].Stream = streamOf(writes[i].Stream)
			}
			return b.toyHandle.Commit(ctx, writes)
		}
		b.loadSnapshot = func(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error) {
			return b.toyHandle.LoadSnapshot(ctx, streamOf(stream))
		}
	}
}

func separatorFlaws() []flaw {
	var list []flaw
	for _, separator := range []string{"/", ":", ".", "|", "_", " "} {
		list = append(list, flaw{name: fmt.Sprintf("it joins a stream's type and id with %q", separator), spoil: joinsWith(separator),
			catches: []catch{
				{"A13/each of many odd ids is a stream of its own", "is at version 1"},
				{"A13/one commit to many odd streams", "number of events in a stream: want 1, got 2"},
				{"S6/each stream has its own", "it should have none"},
			}})
	}
	return list
}

func nameFlaws() []flaw {
	return []flaw{
		{name: "it takes upper and lower case for the same", catches: []catch{
			{"A13/each of many odd ids is a stream of its own", "is at version 1"},
			{"S6/each stream has its own", "it should have none"},
		}, spoil: func(b *broken) { b.renames(strings.ToLower) }},
		{name: "it takes trailing space away from ids", catches: []catch{
			{"A13/one commit to many odd streams", "number of events in a stream: want 1, got 2"},
			{"S6/each stream has its own", "it should have none"},
		}, spoil: func(b *broken) { b.renames(func(id string) string { return strings.TrimRight(id, " ") }) }},
	}
}
