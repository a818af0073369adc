package upcaster_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

type placedV1 struct{ Total int64 }

type placedV2 struct {
	Total    int64
	Currency string
}

func inEuro(old placedV1) (placedV2, error) { return placedV2{Total: old.Total, Currency: "EUR"}, nil }

func TestAStepTellsWhereItGoes(t *testing.T) {
	a, b, c := v("a", 1), v("b", 1), v("c", 2)
	split := splitInto(a, b, c)
	require.Equal(t, a, split.From())
	require.Equal(t, []upcaster.Type{b, c}, split.To())
	require.Equal(t, "the step from a v1 to b v1 and c v2", split.String())
	require.Equal(t, "the step from a v1 to b v1", upcaster.Rename(a, b).String())
	require.Equal(t, "the step that drops a v1", upcaster.Drop(a).String())
	require.Empty(t, upcaster.Drop(a).To())

	split.To()[0] = a
	require.Equal(t, []upcaster.Type{b, c}, split.To(), "what To returns is the caller's")
}

func TestStruct(t *testing.T) {
	from, to := v("order.placed", 1), v("order.placed", 2)
	step := upcaster.Struct(from, to, inEuro)
	t.Run("turns one struct into the next and leaves the rest of the event alone", func(t *testing.T) {
		stored := event(from, `{"Total":9007199254740993}`)
		want := event(to, `{"Total":9007199254740993,"Currency":"EUR"}`)
		require.Equal(t, []upcaster.Event{want}, upcast(t, stored, step))
		require.Equal(t, event(from, `{"Total":9007199254740993}`), stored)
	})
	t.Run("goes through the codec of the event's content type", func(t *testing.T) {
		stored := event(from, "")
		stored.ContentType = gobType
		stored.Data, _ = gobCodec{}.Marshal(placedV1{Total: 7})
		out := upcast(t, stored, step)
		require.Equal(t, gobType, out[0].ContentType)
		var current placedV2
		require.NoError(t, gobCodec{}.Unmarshal(out[0].Data, &current))
		require.Equal(t, placedV2{Total: 7, Currency: "EUR"}, current)
	})
	t.Run("takes pointers", func(t *testing.T) {
		step := upcaster.Struct(from, to, func(old *placedV1) (*placedV2, error) {
			return &placedV2{Total: old.Total + 1}, nil
		})
		require.Equal(t, []string{`order.placed v2 {"Total":8,"Currency":""}`},
			payloads(upcast(t, event(from, `{"Total":7}`), step)))
	})
}

func TestMap(t *testing.T) {
	from, to := v("order.placed", 1), v("order.placed", 2)
	t.Run("edits the fields and keeps every digit of every number", func(t *testing.T) {
		stored := event(from, `{"qty":9007199254740993,"price":1.10,"more":[{"n":1e400}],"note":"<b>"}`)
		out := upcast(t, stored, renameField(from, to, "qty", "quantity"))
		require.Equal(t, `{"more":[{"n":1e400}],"note":"\u003cb\u003e","price":1.10,"quantity":9007199254740993}`,
			string(out[0].Data))
		require.Equal(t, event(from, string(stored.Data)), stored)
	})
	t.Run("works with a codec that is not JSON", func(t *testing.T) {
		stored := event(from, "")
		stored.ContentType = gobType
		var err error
		stored.Data, err = gobCodec{}.Marshal(&map[string]any{"qty": 3})
		require.NoError(t, err)
		out := upcast(t, stored, renameField(from, to, "qty", "quantity"))
		var fields map[string]any
		require.NoError(t, gobCodec{}.Unmarshal(out[0].Data, &fields))
		require.Equal(t, map[string]any{"quantity": 3}, fields)
	})
	for name, data := range map[string]string{"null": `null`, "a list": `[]`, "a text": `"x"`, "nothing": ``} {
		t.Run("refuses "+name, func(t *testing.T) {
			_, err := newChain(t, renameField(from, to, "a", "b")).Upcast(event(from, data), codecs)
			require.ErrorContains(t, err, "upcaster: the step from order.placed v1 to order.placed v2: read the payload: ")
		})
	}
}

func TestRename(t *testing.T) {
	t.Run("keeps the bytes and needs no codec", func(t *testing.T) {
		stored := event(v("order.created", 1), "not \x00 JSON")
		stored.ContentType = "text/unknown"
		want := stored
		want.Type = v("order.placed", 1)
		require.Equal(t, []upcaster.Event{want}, upcast(t, stored, upcaster.Rename(stored.Type, want.Type)))
	})
}

func TestDrop(t *testing.T) {
	t.Run("leaves nothing and needs no codec", func(t *testing.T) {
		stored := event(v("order.viewed", 1), "not JSON")
		stored.ContentType = "text/unknown"
		require.Empty(t, upcast(t, stored, upcaster.Drop(stored.Type)))
	})
}

func TestSplit(t *testing.T) {
	from, billed, moved := v("order.address_changed", 1), v("order.billing_changed", 1), v("order.moved", 1)
	split := func(f func(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error)) upcaster.Step {
		return upcaster.Split(from, []upcaster.Type{billed, moved}, f)
	}
	t.Run("keeps the order, and fills in what the function leaves out", func(t *testing.T) {
		out := upcast(t, event(from, `{}`), splitInto(from, moved, billed))
		require.Equal(t, []upcaster.Event{event(moved, `{}`), event(billed, `{}`)}, out)
	})
	t.Run("may change content type and metadata, but not tags and time", func(t *testing.T) {
		out := upcast(t, event(from, `{}`), split(func(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
			require.Equal(t, jsonCodec{}, c)
			return []upcaster.Event{
				{Type: moved, ContentType: gobType, Data: []byte("gob"), Metadata: map[string]string{}, Tags: []string{"x"}},
			}, nil
		}))
		want := event(moved, "gob")
		want.ContentType, want.Metadata = gobType, nil
		require.Equal(t, []upcaster.Event{want}, out)
	})
	t.Run("may return nothing, or several of one type", func(t *testing.T) {
		for _, n := range []int{0, 3} {
			out := upcast(t, event(from, `{}`), split(func(upcaster.Event, upcaster.Codec) ([]upcaster.Event, error) {
				return slices.Repeat([]upcaster.Event{{Type: billed}}, n), nil
			}))
			require.Len(t, out, n)
		}
	})
	t.Run("gives its function and each part memory of their own", func(t *testing.T) {
		stored := event(from, `{"a":1}`)
		out := upcast(t, stored, split(func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
			first, second := e, e
			first.Type, second.Type = billed, moved
			clear(e.Data)
			clear(e.Tags)
			e.Metadata["step"] = "split"
			return []upcaster.Event{first, second}, nil
		}))
		require.Equal(t, event(from, `{"a":1}`), stored)
		want := maps.Clone(out[1].Metadata)
		out[0].Metadata["by"] = "reader"
		out[0].Tags[0] = "reader"
		require.Equal(t, want, out[1].Metadata)
		require.Equal(t, []string{"vip"}, out[1].Tags)
		require.Equal(t, []string{"vip"}, stored.Tags)
	})
	t.Run("refuses a type that it does not declare", func(t *testing.T) {
		_, err := newChain(t, split(func(upcaster.Event, upcaster.Codec) ([]upcaster.Event, error) {
			return []upcaster.Event{{Type: v("order.moved", 2)}}, nil
		})).Upcast(event(from, `{}`), codecs)
		require.EqualError(t, err, "upcaster: the step from order.address_changed v1 to order.billing_changed v1 and "+
			"order.moved v1: it returned order.moved v2, which it does not declare")
	})
	t.Run("keeps to the types it was made with", func(t *testing.T) {
		to := []upcaster.Type{billed}
		step := upcaster.Split(from, to, func(upcaster.Event, upcaster.Codec) ([]upcaster.Event, error) { return nil, nil })
		to[0] = moved
		require.Equal(t, []upcaster.Type{billed}, step.To())
	})
}

// stubborn can't be written as JSON.
type stubborn struct{ F func() }

func TestErrorsNameTheStep(t *testing.T) {
	from, to := v("order.placed", 1), v("order.placed", 2)
	refused := errors.New("no such currency")
	for name, c := range map[string]struct {
		step upcaster.Step
		data string
		err  string
	}{
		"when the payload can't be read": {
			upcaster.Struct(from, to, inEuro), `{"Total":`, "read the payload: unexpected end of JSON input",
		},
		"when the payload can't be written": {
			upcaster.Struct(from, to, func(placedV1) (stubborn, error) { return stubborn{}, nil }), `{}`,
			"write the payload: json: unsupported type: func()",
		},
		"when a struct function fails": {
			upcaster.Struct(from, to, func(placedV1) (placedV2, error) { return placedV2{}, refused }), `{}`,
			"no such currency",
		},
		"when a map function fails": {
			upcaster.Map(from, to, func(map[string]any) error { return refused }), `{}`, "no such currency",
		},
		"when a split function fails": {
			upcaster.Split(from, []upcaster.Type{to}, func(upcaster.Event, upcaster.Codec) ([]upcaster.Event, error) {
				return nil, refused
			}), `{}`, "no such currency",
		},
		"when a function panics with a text": {
			upcaster.Map(from, to, func(map[string]any) error { panic("no such currency") }), `{}`,
			"panic: no such currency",
		},
		"when a function panics with an error": {
			upcaster.Map(from, to, func(map[string]any) error { panic(refused) }), `{}`, "panic: no such currency",
		},
		"when a function expects another kind of field": {
			upcaster.Map(from, to, func(fields map[string]any) error {
				fields["total"] = fields["total"].(string) + " EUR"
				return nil
			}), `{"total":1}`, "panic: interface conversion: interface {} is json.Number, not string",
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := newChain(t, c.step).Upcast(event(from, c.data), codecs)
			require.EqualError(t, err, "upcaster: the step from order.placed v1 to order.placed v2: "+c.err)
			require.Nil(t, out)
		})
	}
	t.Run("when the content type has no codec", func(t *testing.T) {
		stored := event(from, "a,b")
		stored.ContentType = "text/csv"
		_, err := newChain(t, upcaster.Struct(from, to, inEuro)).Upcast(stored, codecs)
		require.EqualError(t, err,
			`upcaster: the step from order.placed v1 to order.placed v2: no codec for content type "text/csv"`)
	})
	t.Run("and wrap what the function returned", func(t *testing.T) {
		step := upcaster.Map(from, to, func(map[string]any) error { return refused })
		_, err := newChain(t, step).Upcast(event(from, `{}`), codecs)
		require.ErrorIs(t, err, refused)
	})
}
