package privacy_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/privacy"
)

// forge stores events in another database, as somebody would who can write there, with the same keys.
func forge(w *world, stream eventstore.StreamID, events ...driver.Event) *eventstore.Store {
	w.Helper()
	drv := memory.New()
	_, err := drv.Commit(w.Context(), []driver.Write{{Stream: stream, Events: events}})
	require.NoError(w, err)
	forged := *w
	forged.drv = drv
	return forged.storeWith(w.vault)
}

// stored returns the events of a stream as the driver has them.
func stored(w *world, id string) []driver.Event {
	w.Helper()
	records, err := w.drv.ReadStream(w.Context(), driver.StreamQuery{Stream: stream(id), From: 1, Limit: 100, MaxBytes: 1 << 20})
	require.NoError(w, err)
	events := make([]driver.Event, len(records))
	for i, r := range records {
		events[i] = r.Event
	}
	return events
}

// field returns a member of a stored payload, and the payload with another text there.
func field(t *testing.T, e driver.Event, name string) string {
	var members map[string]any
	require.NoError(t, json.Unmarshal(e.Data, &members))
	return members[name].(string)
}

func TestASealedValueOpensWhereItWasWrittenOnly(t *testing.T) {
	w := inMemory(t, nil)
	twin := anna
	twin.Name, twin.Home = "Anna Arkadyevna", address{}
	w.append("1", anna, twin, ill)
	w.append("2", twin)
	events, elsewhere := stored(w, "1"), stored(w, "2")
	name, born := field(t, events[0], "name"), field(t, events[0], "born")
	otherID := events[0]
	otherID.ID = uuid.Must(uuid.NewV7())
	otherName := events[2]
	otherName.Type = "noted"
	forgery := func(change func(data string) string) driver.Event {
		e := events[0]
		e.Data = []byte(change(string(e.Data)))
		require.NotEqual(t, events[0].Data, e.Data)
		return e
	}
	parts := strings.Split(name, ":")
	withPart := func(i int, text string) driver.Event {
		changed := append([]string(nil), parts...)
		changed[i] = text
		return forgery(func(data string) string { return strings.Replace(data, name, strings.Join(changed, ":"), 1) })
	}
	flipped := []byte(parts[5])
	flipped[20] ^= 1
	for text, e := range map[string]driver.Event{
		"not in another event of its stream": forgery(func(data string) string {
			return strings.Replace(data, name, field(t, events[1], "name"), 1)
		}),
		"not in an event of another stream": {ID: events[0].ID, Type: events[0].Type, Schema: 1,
			ContentType: "application/json", Data: elsewhere[0].Data},
		"not in another field of its event": forgery(func(data string) string {
			return strings.NewReplacer(name, born, born, name).Replace(data)
		}),
		"not deeper in its event": forgery(func(data string) string {
			return strings.Replace(data, `"`+name+`"`, `["`+name+`"]`, 1)
		}),
		"not under another event id":        otherID,
		"not under another event's name":    otherName,
		"not when its subject was changed":  withPart(2, "Yy0y"),
		"not when its fallback was changed": withPart(4, "IkhhIg"),
		"not when a bit of it was changed":  withPart(5, string(flipped)),
		"not when a part of it is missing":  withPart(5, ""),
		"not when it is of another format":  withPart(1, "2"),
	} {
		t.Run(text, func(t *testing.T) {
			w.append("2", emma) // so that both subjects have keys
			before, err := streamErr(w, forge(w, stream("1"), e), "1")
			require.Empty(t, before)
			require.ErrorIs(t, err, privacy.ErrDamaged)
			var decode *eventstore.DecodeError
			require.ErrorAs(t, err, &decode)
			require.Equal(t, int64(1), decode.Version)
		})
	}
	t.Run("and does where it was written", func(t *testing.T) {
		require.Equal(t, []any{anna, twin, ill}, payloads(w, forge(w, stream("1"), events...), "1"))
	})
	t.Run("and what comes before a damaged one is handed out", func(t *testing.T) {
		events := append([]driver.Event(nil), events...)
		events[1].Data = bytes.Replace(events[1].Data, []byte(field(t, events[1], "name")), []byte(name), 1)
		store := forge(w, stream("1"), events...)
		before, err := streamErr(w, store, "1")
		require.ErrorIs(t, err, privacy.ErrDamaged)
		require.ErrorContains(t, err, "the sealed value at name was changed, or was not written there")
		require.Equal(t, []any{anna}, before)
		page, err := store.ReadAll(t.Context(), 0, nil)
		require.ErrorIs(t, err, privacy.ErrDamaged)
		require.Len(t, page.Events, 1)
		require.Equal(t, int64(1), page.Next)
	})
}

func TestASnapshotsSealedValuesAreBoundToIt(t *testing.T) {
	w := inMemory(t, nil)
	fill(w)
	drv := w.drv.(*memory.Store)
	snap, _, err := drv.LoadSnapshot(t.Context(), stream("1"))
	require.NoError(t, err)
	_, ok, err := w.store.LoadSnapshot(t.Context(), stream("1"))
	require.NoError(t, err)
	require.True(t, ok)
	for text, change := range map[string]func(s *driver.Snapshot){
		"to its version": func(s *driver.Snapshot) { s.Version++ },
		"to its stream":  func(s *driver.Snapshot) { s.Stream.ID = "7" },
		"to its bytes":   func(s *driver.Snapshot) { s.Data = bytes.Replace(s.Data, []byte(":1:"), []byte(":9:"), 1) },
	} {
		t.Run(text, func(t *testing.T) {
			moved := snap
			change(&moved)
			require.NoError(t, drv.SaveSnapshot(t.Context(), moved))
			_, _, err := w.store.LoadSnapshot(t.Context(), moved.Stream)
			require.ErrorAs(t, err, new(*eventstore.SnapshotError))
			require.ErrorIs(t, err, privacy.ErrDamaged)
		})
	}
}
