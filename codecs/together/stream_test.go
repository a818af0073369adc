package together_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tidemark-go/tidemark/codecs/cbor"
	"github.com/tidemark-go/tidemark/codecs/protobuf"
	"github.com/tidemark-go/tidemark/codecs/zstd"
	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// What every release but the last wrote.
type (
	placedBefore struct {
		Customer string `json:"customer"`
		Pence    int64  `json:"pence"`
		Note     string `json:"note"`
	}
	state struct {
		Total int64 `json:"total"`
	}
)

// placed is what the last release reads.
type placed struct {
	Customer string   `json:"customer"`
	Total    money    `json:"total"`
	Notes    []string `json:"notes"`
}

type money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// releases are the codecs of one program over the years.
func releases() []serializer.Codec {
	return []serializer.Codec{
		serializer.JSON(),
		serializer.Compressed(serializer.JSON(), nil),
		cbor.New(),
		zstd.Compressed(serializer.JSON(), nil),
		serializer.Compressed(cbor.New(), nil),
		zstd.Compressed(cbor.New(), nil),
		serializer.JSON(),
	}
}

// contentTypes are those of a small and a large payload of each release.
var contentTypes = [][2]string{
	{"application/json", "application/json"},
	{"application/json", "application/json+gzip"},
	{"application/cbor", "application/cbor"},
	{"application/json", "application/json+zstd"},
	{"application/cbor", "application/cbor+gzip"},
	{"application/cbor", "application/cbor+zstd"},
	{"application/json", "application/json"},
}

var (
	small = placedBefore{Customer: "ada", Pence: 1<<62 + 1, Note: "fragile"}
	large = placedBefore{Customer: "ada", Pence: 1, Note: strings.Repeat("handle with care; ", 200)}
)

// before is the registry of a release that writes with a codec.
func before(codec serializer.Codec) *serializer.Registry {
	reg := serializer.NewRegistry(&serializer.Options{Codec: codec})
	serializer.Register[placedBefore](reg, "order.placed")
	serializer.Register[*wrapperspb.StringValue](reg, "order.noted", serializer.WithCodec(protobuf.New()))
	serializer.Register[state](reg, "order.state")
	return reg
}

// today is the registry of the last release, with its steps.
func today(t testing.TB) (*serializer.Registry, *upcaster.Chain) {
	reg := serializer.NewRegistry(&serializer.Options{Codecs: releases()})
	serializer.Register[placed](reg, "order.placed", serializer.Version(3))
	serializer.Register[*wrapperspb.BytesValue](reg, "order.noted", serializer.Version(2), serializer.WithCodec(protobuf.New()))
	serializer.Register[state](reg, "order.state")
	v := upcaster.V
	chain, err := upcaster.New(
		upcaster.Map(v("order.placed", 1), v("order.placed", 2), func(fields map[string]any) error {
			fields["total"] = map[string]any{"amount": fields["pence"], "currency": "GBP"}
			delete(fields, "pence")
			return nil
		}),
		upcaster.Struct(v("order.placed", 2), v("order.placed", 3), func(old struct {
			Customer string `json:"customer"`
			Total    money  `json:"total"`
			Note     string `json:"note"`
		}) (placed, error) {
			return placed{Customer: old.Customer, Total: old.Total, Notes: []string{old.Note}}, nil
		}),
		upcaster.Struct(v("order.noted", 1), v("order.noted", 2), func(old *wrapperspb.StringValue) (*wrapperspb.BytesValue, error) {
			return wrapperspb.Bytes([]byte(old.GetValue())), nil
		}),
	)
	require.NoError(t, err)
	return reg, chain
}

func onEachDriver(t *testing.T, test func(t *testing.T, d driver.Store)) {
	t.Run("memory", func(t *testing.T) { test(t, memory.New()) })
	t.Run("SQLite", func(t *testing.T) {
		d, err := sqlite.Open(t.Context(), ":memory:", nil)
		require.NoError(t, err)
		test(t, d)
	})
	t.Run("Postgres", func(t *testing.T) {
		d, err := postgres.Open(t.Context(), pgtest.DSN(t), nil)
		require.NoError(t, err)
		test(t, d)
	})
}

var ada = eventstore.StreamID{Type: "order", ID: "ada"}

// write has every release append to one stream, and save a snapshot of a stream of its own.
func write(t *testing.T, d driver.Store) {
	for i, codec := range releases() {
		s, err := eventstore.New(d, before(codec), nil)
		require.NoError(t, err)
		_, err = s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(small, wrapperspb.String("noted"), large)...)
		require.NoError(t, err)
		require.NoError(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: snapshotted(i), Version: 1, State: state{Total: 7}}))
	}
}

func snapshotted(i int) eventstore.StreamID {
	return eventstore.StreamID{Type: "order", ID: strings.Repeat("x", i+1)}
}

func TestPayloadsOfAllCodecsLiveInOneStream(t *testing.T) {
	onEachDriver(t, func(t *testing.T, d driver.Store) {
		write(t, d)
		reg, chain := today(t)
		s, err := eventstore.New(d, reg, &eventstore.Options{Upcasters: chain})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		var want []any
		for range releases() {
			want = append(want, placed{Customer: "ada", Total: money{1<<62 + 1, "GBP"}, Notes: []string{small.Note}}, "noted",
				placed{Customer: "ada", Total: money{1, "GBP"}, Notes: []string{large.Note}})
		}
		for path, read := range readPaths(t, s, len(want)) {
			t.Run("read by "+path, func(t *testing.T) { require.Equal(t, want, payloads(t, read)) })
		}
		t.Run("and say which content type they are of", func(t *testing.T) { requireContentTypes(t, s) })
		t.Run("and so do snapshots", func(t *testing.T) {
			for i := range releases() {
				snap, ok, err := s.LoadSnapshot(t.Context(), snapshotted(i))
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, state{Total: 7}, snap.State)
			}
		})
	})
}

// readPaths are all ways of reading, each of which hands out n events in their order.
func readPaths(t *testing.T, s *eventstore.Store, n int) map[string]iter.Seq2[eventstore.Event, error] {
	backward := func(yield func(eventstore.Event, error) bool) {
		var events []eventstore.Event
		for e, err := range s.Stream(t.Context(), ada, &eventstore.StreamOptions{Backward: true}) {
			require.NoError(t, err)
			events = append(events, e)
		}
		for _, e := range slices.Backward(events) {
			if !yield(e, nil) {
				return
			}
		}
	}
	subscription := func(yield func(eventstore.Event, error) bool) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		left := n
		for e, err := range s.Subscribe(ctx, 0, nil) {
			if left--; !yield(e, err) || left == 0 {
				return
			}
		}
	}
	return map[string]iter.Seq2[eventstore.Event, error]{
		"stream":          s.Stream(t.Context(), ada, nil),
		"stream backward": backward,
		"log":             s.All(t.Context(), 0, nil),
		"subscription":    subscription,
	}
}

func payloads(t *testing.T, read iter.Seq2[eventstore.Event, error]) (all []any) {
	for e, err := range read {
		require.NoError(t, err)
		if note, ok := e.Payload.(*wrapperspb.BytesValue); ok {
			all = append(all, string(note.GetValue()))
			continue
		}
		all = append(all, e.Payload)
	}
	return all
}

func requireContentTypes(t *testing.T, s *eventstore.Store) {
	var stored []eventstore.Event
	for e, err := range s.Stream(t.Context(), ada, &eventstore.StreamOptions{Raw: true}) {
		require.NoError(t, err)
		stored = append(stored, e)
	}
	for i, codec := range releases() {
		want, err := before(codec).Encode(small)
		require.NoError(t, err)
		require.Equal(t, want.Data, stored[3*i].Raw, "bytes stay as they were written")
		require.Equal(t, contentTypes[i][0], stored[3*i].ContentType)
		require.Equal(t, "application/protobuf", stored[3*i+1].ContentType)
		require.Equal(t, contentTypes[i][1], stored[3*i+2].ContentType)
	}
}

func TestPlainJSONIsTextInTheDatabaseAndEverythingElseBytes(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		d, err := sqlite.Open(t.Context(), ":memory:", nil)
		require.NoError(t, err)
		write(t, d)
		var wrong int
		require.NoError(t, d.DB().Get(&wrong, `SELECT count(*) FROM events
			WHERE typeof(event_data) <> iif(content_type = 'application/json', 'text', 'blob')`))
		require.Zero(t, wrong)
		var customers int
		require.NoError(t, d.DB().Get(&customers, `SELECT count(*) FROM events
			WHERE content_type = 'application/json' AND event_data ->> '$.customer' = 'ada'`))
		require.Equal(t, 6, customers)
		require.NoError(t, d.Close())
	})
	t.Run("Postgres", func(t *testing.T) {
		d, err := postgres.Open(t.Context(), pgtest.DSN(t), nil)
		require.NoError(t, err)
		write(t, d)
		var wrong int
		require.NoError(t, d.DB().Get(&wrong, `SELECT count(*) FROM tidemark.events
			WHERE (event_data IS NULL) <> (content_type <> 'application/json') OR (event_bytes IS NULL) <> (event_data IS NOT NULL)`))
		require.Zero(t, wrong)
		var customers int
		require.NoError(t, d.DB().Get(&customers, `SELECT count(*) FROM tidemark.events WHERE event_data ->> 'customer' = 'ada'`))
		require.Equal(t, 6, customers)
		require.NoError(t, d.Close())
	})
}
