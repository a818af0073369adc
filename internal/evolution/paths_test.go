package evolution_test

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
)

// each runs a test on each driver and with each way to choose codecs.
func each(t *testing.T, test func(t *testing.T, h *history)) {
	for name, codecs := range map[string][]serializer.Codec{
		"in JSON": {serializer.JSON()}, "in gob": {gobCodec{}}, "in both": {serializer.JSON(), gobCodec{}},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryDriver(t, func(t *testing.T, d driver.Store) {
				h := newHistory(t, d, codecs...)
				for range 80 {
					h.write(t, h.streams[h.rng.IntN(len(h.streams))])
				}
				test(t, h)
			})
		})
	}
}

func TestU3AnEvolvedHistoryIsReadAlikeOnEveryPath(t *testing.T) {
	each(t, func(t *testing.T, h *history) {
		store := h.release(t, 3)
		before := raw(t, store)
		for name, path := range map[string]func(t *testing.T, store *eventstore.Store) []eventstore.Event{
			"stream": h.readStreams, "log": readLog, "log in pages": readPages, "subscription": h.subscribe, "rebuild": rebuild,
		} {
			t.Run(name, func(t *testing.T) { h.requireAll(t, path(t, store)) })
		}
		require.Equal(t, before, raw(t, store), "what is stored never changes")
	})
}

// requireAll fails the test unless these are the events that are expected. Those of different streams may come in any order.
func (h *history) requireAll(t *testing.T, got []eventstore.Event) {
	t.Helper()
	for _, stream := range h.streams {
		want := h.of(stream)
		for _, e := range got {
			if e.Stream == stream {
				require.NotEmpty(t, want)
				require.Equal(t, want[0], expected{e.Stream, e.Version, e.Part, e.ID, e.RecordedAt, e.Type, e.Schema, e.Payload,
					e.Metadata, e.Tags})
				want = want[1:]
			}
		}
		require.Empty(t, want)
	}
}

func collect(t *testing.T, seq iter.Seq2[eventstore.Event, error]) (events []eventstore.Event) {
	t.Helper()
	for e, err := range seq {
		require.NoError(t, err)
		events = append(events, e)
	}
	return events
}

// raw returns what is stored, as it is stored.
func raw(t *testing.T, store *eventstore.Store) []eventstore.Event {
	t.Helper()
	return collect(t, store.All(t.Context(), 0, &eventstore.ReadOptions{Raw: true}))
}

func (h *history) readStreams(t *testing.T, store *eventstore.Store) (events []eventstore.Event) {
	for _, stream := range h.streams {
		forward := collect(t, store.Stream(t.Context(), stream, nil))
		events = append(events, forward...)
		backward := collect(t, store.Stream(t.Context(), stream, &eventstore.StreamOptions{Backward: true}))
		slices.SortStableFunc(backward, func(a, b eventstore.Event) int { return int(a.Version - b.Version) })
		require.Equal(t, forward, backward)
	}
	return events
}

func readLog(t *testing.T, store *eventstore.Store) []eventstore.Event {
	return collect(t, store.All(t.Context(), 0, nil))
}

func readPages(t *testing.T, store *eventstore.Store) (events []eventstore.Event) {
	for after := int64(0); ; {
		page, err := store.ReadAll(t.Context(), after, &eventstore.ReadOptions{Limit: 7})
		require.NoError(t, err)
		if page.Next == after {
			break
		}
		events, after = append(events, page.Events...), page.Next
	}
	var iterated []eventstore.Event
	for page, err := range store.Pages(t.Context(), 0, &eventstore.ReadOptions{Limit: 7}) {
		require.NoError(t, err)
		iterated = append(iterated, page.Events...)
	}
	require.Equal(t, events, iterated)
	return events
}

func (h *history) subscribe(t *testing.T, store *eventstore.Store) []eventstore.Event {
	return collect(t, store.Subscribe(t.Context(), 0, &eventstore.ReadOptions{Limit: h.stored}))
}

func rebuild(t *testing.T, store *eventstore.Store) (events []eventstore.Event) {
	p := projection.New("fresh", nil)
	projection.On(p, func(_ context.Context, e projection.Event[any]) error {
		events = append(events, e.Event)
		return nil
	})
	runner, err := projection.NewRunner(store, &projection.RunnerOptions{Logger: slog.New(slog.DiscardHandler)}, p)
	require.NoError(t, err)
	require.NoError(t, runner.CatchUp(t.Context()))
	return events
}

func TestU3AFilterFindsWhatWasStoredUnderEarlierNames(t *testing.T) {
	each(t, func(t *testing.T, h *history) {
		store := h.release(t, 3)
		for _, name := range []string{"order.placed", "order.line_added", "order.paid", "order.billed_to", "order.commented"} {
			var want []any
			for _, e := range h.want {
				if e.typ == name {
					want = append(want, e.payload)
				}
			}
			var got []any
			for _, e := range collect(t, store.All(t.Context(), 0, &eventstore.ReadOptions{Types: []string{name}})) {
				got = append(got, e.Payload)
			}
			require.ElementsMatch(t, want, got, name)
		}
	})
}

// order is an aggregate of the third release.
type order struct {
	aggregate.Root[any]
	state state
}

func newOrder(id string) *order {
	o := &order{state: state{Total: money{Currency: "GBP"}}}
	o.Init(id, func(e any) { o.state.add(e) })
	return o
}

func (o *order) Snapshot() (any, error) { return o.state, nil }

func (o *order) Restore(s any) error {
	o.state = s.(state)
	return nil
}

func TestU3SnapshotPlusTailIsTheWholeStream(t *testing.T) {
	each(t, func(t *testing.T, h *history) {
		var loaded repository.Loaded
		orders, err := repository.New(h.release(t, 3), "order", newOrder, &repository.Options{
			Snapshots: repository.Never, Logger: slog.New(slog.DiscardHandler), OnLoad: func(l repository.Loaded) { loaded = l }})
		require.NoError(t, err)
		for i, stream := range h.streams {
			whole := h.of(stream)
			if len(whole) < 2 {
				continue
			}
			last := whole[len(whole)-1].version
			for version := int64(0); version <= last; version += 1 + last/4 {
				if version > 0 {
					h.snapshot(t, 1+(i+int(version))%3, stream, version)
				}
				o, err := orders.Load(t.Context(), stream.ID)
				require.NoError(t, err)
				require.NoError(t, loaded.Discarded)
				require.Equal(t, version, loaded.SnapshotVersion)
				require.Equal(t, h.at(stream, last), o.state, "from version %d of %d", version, last)
				require.GreaterOrEqual(t, o.Version(), last)
			}
		}
	})
}

// snapshot has a release take one.
func (h *history) snapshot(t *testing.T, release int, stream eventstore.StreamID, version int64) {
	s := h.at(stream, version)
	taken := map[int]any{1: state1{s.Total.Amount / 100, s.Events, s.Trail}, 2: state2{s.Total.Amount, s.Events, s.Trail}, 3: s}[release]
	require.NoError(t, h.release(t, release).SaveSnapshot(t.Context(),
		eventstore.Snapshot{Stream: stream, Version: version, State: taken}))
}
