package upcaster_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

// withContext are the kinds of steps that see the whole event. Each makes order.placed v2 of v1.
func withContext(f func(e *upcaster.Event)) map[string]upcaster.Step {
	from, to := v("order.placed", 1), v("order.placed", 2)
	return map[string]upcaster.Step{
		"StructWith": upcaster.StructWith(from, to, func(e *upcaster.Event, old placedV1) (placedV1, error) {
			f(e)
			return old, nil
		}),
		"MapWith": upcaster.MapWith(from, to, func(e *upcaster.Event, _ map[string]any) error {
			f(e)
			return nil
		}),
		"Split": upcaster.Split(from, []upcaster.Type{to}, func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
			f(&e)
			e.Type, e.Data = to, []byte(`{"Total":1}`)
			return []upcaster.Event{e}, nil
		}),
	}
}

func TestStepsSeeTheWholeEvent(t *testing.T) {
	stored := event(v("order.placed", 1), `{"Total":1}`)
	var seen upcaster.Event
	for name, step := range withContext(func(e *upcaster.Event) { seen = *e }) {
		t.Run(name, func(t *testing.T) {
			upcast(t, stored, step)
			if name == "Split" {
				seen.Type, seen.Data = stored.Type, stored.Data
			}
			require.Equal(t, stored, seen)
		})
	}
}

func TestStepsChangeMetadata(t *testing.T) {
	move := func(e *upcaster.Event) {
		delete(e.Metadata, "correlation_id")
		e.Metadata["terminal"] = "7"
	}
	for name, step := range withContext(move) {
		t.Run(name+" adds and removes", func(t *testing.T) {
			stored := event(v("order.placed", 1), `{"Total":1}`)
			before := maps.Clone(stored.Metadata)
			out := upcast(t, stored, step)
			require.Equal(t, map[string]string{"terminal": "7"}, out[0].Metadata)
			require.Equal(t, before, stored.Metadata)
		})
		t.Run(name+" adds the first of an event without any", func(t *testing.T) {
			stored := event(v("order.placed", 1), `{"Total":1}`)
			stored.Metadata = nil
			require.Equal(t, map[string]string{"terminal": "7"}, upcast(t, stored, step)[0].Metadata)
		})
	}
	for name, step := range withContext(func(e *upcaster.Event) { clear(e.Metadata) }) {
		t.Run(name+" removes all", func(t *testing.T) {
			require.Nil(t, upcast(t, event(v("order.placed", 1), `{"Total":1}`), step)[0].Metadata)
		})
	}
	t.Run("and the steps after see that", func(t *testing.T) {
		out := upcast(t, event(v("order.placed", 1), `{"Total":1}`), withContext(move)["MapWith"],
			upcaster.MapWith(v("order.placed", 2), v("order.placed", 3), func(e *upcaster.Event, fields map[string]any) error {
				fields["terminal"] = e.Metadata["terminal"]
				return nil
			}))
		require.Equal(t, []string{`order.placed v3 {"Total":1,"terminal":"7"}`}, payloads(out))
	})
}

func TestStepsChangeNothingElse(t *testing.T) {
	forge := func(e *upcaster.Event) {
		if e.Type == v("order.placed", 1) {
			e.Type = v("order.forged", 9)
		}
		e.ContentType, e.Data = "", nil
		e.Tags[0] = "forged"
		e.Tags = append(e.Tags, "forged")
		e.RecordedAt = time.Unix(0, 0)
		e.ID = uuid.Nil
		e.StreamType, e.StreamID, e.Version, e.Position = "forged", "1", 1, 1
	}
	for name, step := range withContext(forge) {
		t.Run(name, func(t *testing.T) {
			stored := event(v("order.placed", 1), `{"Total":1}`)
			out := upcast(t, stored, step)
			require.Equal(t, []upcaster.Event{event(v("order.placed", 2), `{"Total":1}`)}, out)
			require.Equal(t, event(v("order.placed", 1), `{"Total":1}`), stored)
		})
	}
}

// The functions of all steps are given again and again what they have seen before.
func TestWhatAStepKeepsIsItsOwn(t *testing.T) {
	var kept []*upcaster.Event
	for name, step := range withContext(func(e *upcaster.Event) { kept = append(kept, e) }) {
		t.Run(name, func(t *testing.T) {
			stored := event(v("order.placed", 1), `{"Total":1}`)
			out := upcast(t, stored, step)
			last := kept[len(kept)-1]
			clear(last.Metadata)
			clear(last.Tags)
			require.Equal(t, event(v("order.placed", 1), `{"Total":1}`), stored)
			require.Equal(t, []upcaster.Event{event(v("order.placed", 2), `{"Total":1}`)}, out)
		})
	}
}

func TestStepsWithContextNeedAFunctionToo(t *testing.T) {
	from, to := v("order.placed", 1), v("order.placed", 2)
	for name, step := range map[string]upcaster.Step{
		"StructWith": upcaster.StructWith[placedV1, placedV2](from, to, nil),
		"MapWith":    upcaster.MapWith(from, to, nil),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := upcaster.New(step)
			require.EqualError(t, err, "upcaster: argument 1 of New: the step from order.placed v1 to order.placed v2 has no function")
		})
	}
}
