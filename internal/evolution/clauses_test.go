package evolution_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

var one = eventstore.StreamID{Type: "order", ID: "1"}

// newStore returns a store that is not closed, since several share a driver.
func newStore(t *testing.T, d driver.Store, reg *serializer.Registry, chain *upcaster.Chain) *eventstore.Store {
	t.Helper()
	store, err := eventstore.New(d, reg, &eventstore.Options{Upcasters: chain})
	require.NoError(t, err)
	return store
}

func mustAppend(t *testing.T, store *eventstore.Store, payloads ...any) {
	t.Helper()
	_, err := store.Append(t.Context(), one, eventstore.Any, eventstore.Events(payloads...)...)
	require.NoError(t, err)
}

func payloads(events []eventstore.Event) (all []any) {
	for _, e := range events {
		all = append(all, e.Payload)
	}
	return all
}

func TestU1TheStoredIdentityIsApartFromTheGoType(t *testing.T) {
	type noticeBoard struct{ Text string } // noted1 under another name
	reg := serializer.NewRegistry(nil)
	serializer.Register[noticeBoard](reg, "order.noted")
	onEveryDriver(t, func(t *testing.T, d driver.Store) {
		before, after := newStore(t, d, registry1(serializer.JSON()), nil), newStore(t, d, reg, nil)
		mustAppend(t, before, noted1{"a"})
		mustAppend(t, after, noticeBoard{"a"})
		for store, want := range map[*eventstore.Store]any{before: noted1{"a"}, after: noticeBoard{"a"}} {
			require.Equal(t, []any{want, want}, payloads(collect(t, store.Stream(t.Context(), one, nil))))
		}
		stored := raw(t, after)
		require.Len(t, stored, 2)
		for _, e := range stored {
			require.Equal(t, `order.noted v1 {"Text":"a"}`, fmt.Sprintf("%s v%d %s", e.Type, e.Schema, e.Raw))
		}
	})
}

func TestU1ANameOrATypeThatIsRegisteredTwiceIsAnErrorAtStart(t *testing.T) {
	for want, register := range map[string]func(reg *serializer.Registry){
		`register "order.noted" for evolution_test.viewed1: name "order.noted" is taken by evolution_test.noted1`: func(reg *serializer.Registry) {
			serializer.Register[viewed1](reg, "order.noted")
		},
		`register "order.viewed" for evolution_test.noted1: the type is registered already, as "order.noted"`: func(reg *serializer.Registry) {
			serializer.Register[noted1](reg, "order.viewed")
		},
		`name "order.noted" is taken`: func(reg *serializer.Registry) {
			serializer.Register[viewed1](reg, "order.viewed", serializer.Alias("order.noted"))
		},
	} {
		reg := serializer.NewRegistry(nil)
		serializer.Register[noted1](reg, "order.noted")
		register(reg)
		_, err := eventstore.New(memory.New(), reg, nil)
		require.ErrorContains(t, err, want)
	}
}

func TestU2AChainThatDoesNotFitIsRefusedWhenItIsBuilt(t *testing.T) {
	a1, a2, a3, a4, b1 := v("a", 1), v("a", 2), v("a", 3), v("a", 4), v("b", 1)
	for name, c := range map[string]struct {
		steps []upcaster.Step
		want  string
	}{
		"a gap": {[]upcaster.Step{upcaster.Rename(a1, a2), upcaster.Rename(a3, a4)},
			"a step from a v2 is missing: the step from a v1 to a v2 ends there, but the step from a v3 to a v4 is about a later version"},
		"a cycle": {[]upcaster.Step{upcaster.Rename(a1, b1), upcaster.Rename(b1, a1)},
			"steps lead in a circle: a v1, then b v1, then a v1"},
		"two steps for one source": {[]upcaster.Step{upcaster.Rename(a1, a2), upcaster.Drop(a1)},
			"two steps take a v1: the step from a v1 to a v2 and the step that drops a v1"},
		"a target that nobody registered": {[]upcaster.Step{upcaster.Rename(a1, a2)},
			"upcasters lead to a v2, which is not registered"},
		"a target that is registered in another version": {[]upcaster.Step{upcaster.Rename(a1, v("order.noted", 2))},
			"upcasters lead to order.noted v2, which is not registered"},
		"a source that is written today": {[]upcaster.Step{upcaster.Drop(v("order.noted", 1))},
			"an upcaster step takes order.noted v1, which is registered as today's"},
	} {
		t.Run(name, func(t *testing.T) {
			chain, errChain := upcaster.New(c.steps...)
			_, errStore := eventstore.New(memory.New(), registry1(serializer.JSON()), &eventstore.Options{Upcasters: chain})
			require.ErrorContains(t, cmp.Or(errChain, errStore), c.want)
		})
	}
}

func TestU4EachEventRecordsItsContentType(t *testing.T) {
	onEveryDriver(t, func(t *testing.T, d driver.Store) {
		var want []string
		for _, codec := range []serializer.Codec{serializer.JSON(), gobCodec{}, serializer.JSON(), gobCodec{}} {
			mustAppend(t, newStore(t, d, registry1(codec), nil), noted1{codec.ContentType()}, placed1{"ada", 3})
			want = append(want, codec.ContentType(), codec.ContentType())
		}
		for name, store := range map[string]*eventstore.Store{
			"a reader that writes JSON": newStore(t, d, registry3(serializer.JSON()), steps(t)),
			"a reader that writes gob":  newStore(t, d, registry3(gobCodec{}), steps(t)),
		} {
			t.Run(name, func(t *testing.T) {
				events := collect(t, store.Stream(t.Context(), one, nil))
				for i, stored := range raw(t, store) {
					require.Equal(t, []string{want[i], want[i]}, []string{stored.ContentType, events[i].ContentType})
				}
				for i := 0; i < len(want); i += 2 {
					require.Equal(t, commented{want[i]}, events[i].Payload)
					require.Equal(t, placed{"ada", money{300, "GBP"}, events[i+1].RecordedAt.Year()}, events[i+1].Payload)
				}
			})
		}
		t.Run("one that lacks a codec says which", func(t *testing.T) {
			reg := registry1(serializer.JSON())
			err := last(newStore(t, d, reg, nil).Stream(t.Context(), one, nil))
			require.ErrorContains(t, err, `no codec for content type "application/x-gob"; add it to Options.Codecs`)
		})
	})
}

// damage returns bytes that the driver stores for a content type, and that nobody has written.
func damage(rng *rand.Rand, contentType string) []byte {
	if contentType == "application/json" {
		values := []string{`null`, `[]`, `"x"`, `7`, `{"Customer":1}`, `{"Text":{}}`, `{"SKUs":[1]}`, `{"Pence":1e99}`, `{"Total":[[]]}`}
		return []byte(values[rng.IntN(len(values))])
	}
	whole, _ := gobCodec{}.Marshal(&imported1{Customer: "ada", Pence: 1, SKUs: [2]string{"a", "b"}})
	for range 1 + rng.IntN(4) {
		whole[rng.IntN(len(whole))] = byte(rng.IntN(256))
	}
	return whole[:rng.IntN(len(whole)+1)]
}

// paths read a store to its end, each in its own way, and return the error that they meet.
var paths = map[string]func(ctx context.Context, store *eventstore.Store) error{
	"stream": func(ctx context.Context, store *eventstore.Store) error { return last(store.Stream(ctx, one, nil)) },
	"log":    func(ctx context.Context, store *eventstore.Store) error { return last(store.All(ctx, 0, nil)) },
	"page": func(ctx context.Context, store *eventstore.Store) error {
		_, err := store.ReadAll(ctx, 0, nil)
		return err
	},
	"subscription": func(ctx context.Context, store *eventstore.Store) error {
		return last(store.Subscribe(ctx, 0, &eventstore.ReadOptions{Limit: 1}))
	},
	"projection": func(ctx context.Context, store *eventstore.Store) error {
		p := projection.New("p", &projection.Options{Tries: 1})
		projection.On(p, func(context.Context, projection.Event[any]) error { return nil })
		runner, err := projection.NewRunner(store, &projection.RunnerOptions{Logger: slog.New(slog.DiscardHandler)}, p)
		if err != nil {
			return err
		}
		return runner.CatchUp(ctx)
	},
}

func last(seq iter.Seq2[eventstore.Event, error]) (last error) {
	for _, err := range seq {
		last = err
	}
	return last
}

func TestU5DamagedBytesAreAnErrorWithNameAndVersionAndNoPanic(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	broken, whole := 0, 0
	for _, contentType := range []string{"application/json", "application/x-gob"} {
		for _, stored := range []upcaster.Type{v("order.placed", 1), v("order.placed", 2), v("order.placed", 3), v("order.line_added", 1),
			v("order.imported", 1), v("order.addresses_changed", 1), v("order.commented", 1), v("order.noted", 1)} {
			for range 20 {
				err := readDamaged(t, driver.Event{ID: uuid.New(), Type: stored.Name, Schema: stored.Schema, ContentType: contentType,
					Data: damage(rng, contentType), RecordedAt: time.Unix(0, 0).UTC()})
				if err != nil {
					broken++
				} else {
					whole++
				}
			}
		}
	}
	require.Greater(t, broken, 20)
	require.Positive(t, whole)
}

// readDamaged returns the error that all paths agree on.
func readDamaged(t *testing.T, e driver.Event) error {
	t.Helper()
	d := memory.New()
	_, err := d.Commit(t.Context(), []driver.Write{{Stream: one, Expected: driver.Any, Events: []driver.Event{e}}})
	require.NoError(t, err)
	require.NoError(t, d.SaveSnapshot(t.Context(), driver.Snapshot{Stream: one, Version: 1, Type: "order.state", Schema: 1,
		ContentType: e.ContentType, Data: e.Data}))
	store := newStore(t, d, registry3(serializer.JSON()), steps(t))
	first := paths["stream"](t.Context(), store)
	for name, path := range paths {
		err := path(t.Context(), store)
		require.Equal(t, first == nil, err == nil, "%s: %v, but stream: %v", name, err, first)
		if err != nil {
			var broken *eventstore.DecodeError
			require.ErrorAs(t, err, &broken)
			require.Equal(t, []any{one, int64(1), int64(1), e.Type, e.Schema},
				[]any{broken.Stream, broken.Version, broken.Position, broken.Type, broken.Schema})
			require.ErrorContains(t, err, fmt.Sprintf("%s v%d", e.Type, e.Schema))
		}
	}
	if _, _, err := store.LoadSnapshot(t.Context(), one); err != nil {
		require.ErrorAs(t, err, new(*eventstore.SnapshotError))
	}
	return first
}
