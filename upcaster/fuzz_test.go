package upcaster_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

// order has all kinds of fields that a decoder has to fill.
type order struct {
	ID     string
	Total  int32
	Lines  []order
	Fields map[string]any
	Inner  *order
}

// careless returns a chain whose functions trust what they are given, as those of users do.
func careless(t testing.TB) *upcaster.Chain {
	return newChain(t,
		upcaster.Struct(v("struct", 1), v("map", 1), func(old order) (order, error) {
			old.Lines[0].ID = old.Inner.ID
			return old, nil
		}),
		upcaster.Map(v("map", 1), v("split", 1), func(fields map[string]any) error {
			fields["ID"] = fields["ID"].(string) + "!"
			fields["Fields"].(map[string]any)["n"] = fields["Total"].(json.Number)
			return nil
		}),
		upcaster.Split(v("split", 1), []upcaster.Type{v("renamed", 1), v("noise", 1)},
			func(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
				var fields map[string]json.RawMessage
				if err := c.Unmarshal(e.Data, &fields); err != nil {
					return nil, err
				}
				return []upcaster.Event{
					{Type: v(string(fields["Name"][1:8]), 1), Data: fields["Inner"]}, {Type: v("noise", 1), Data: e.Data[:1]},
				}, nil
			}),
		upcaster.Rename(v("renamed", 1), v("renamed", 2)),
		upcaster.Drop(v("noise", 1)),
	)
}

func FuzzUpcast(f *testing.F) {
	full := `{"ID":"7","Total":1,"Lines":[{}],"Inner":{"ID":"8"},"Fields":{"n":1.50},"Name":"renamed"}`
	for _, name := range []string{"struct", "map", "split", "renamed", "noise", "unknown"} {
		for _, data := range []string{full, `{}`, `null`, `[1]`, `{"ID":`, ``, "\xff\x00", `{"Total":1e99}`} {
			f.Add(name, 1, jsonType, []byte(data))
		}
	}
	f.Add("struct", 1, gobType, []byte{3, 4, 0, 2})
	f.Add("map", 1, gobType, []byte{1, 2, 3})
	f.Add("split", 0, "text/plain", []byte(full))
	chain := careless(f)
	f.Fuzz(func(t *testing.T, name string, schema int, contentType string, data []byte) {
		stored := event(v(name, schema), string(data))
		stored.ContentType = contentType
		out, err := chain.Upcast(stored, codecs)
		require.Equal(t, string(data), string(stored.Data))
		if err != nil {
			require.Nil(t, out)
			require.ErrorContains(t, err, "upcaster: the step ")
			return
		}
		for _, e := range out {
			require.False(t, chain.Handles(e.Type), e.Type)
			require.Equal(t, stored.RecordedAt, e.RecordedAt)
			require.Equal(t, stored.Tags, e.Tags)
			require.Equal(t, stored.Metadata, e.Metadata)
		}
	})
}

// FuzzNew builds chains of random steps between a few types: what New accepts ends, and ends at Targets.
func FuzzNew(f *testing.F) {
	f.Add("aAbB")
	f.Add("aBBCCa")
	f.Add("ABCD")
	f.Add("abbCcdde")
	f.Add("a-Aa")
	f.Fuzz(func(t *testing.T, pairs string) {
		if len(pairs) > 40 {
			return
		}
		chain, err := upcaster.New(randomSteps(pairs)...)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "upcaster: "), err)
			return
		}
		for _, letter := range strings.Split(pairs, "") {
			stored := event(typeOf(letter), `{}`)
			out, err := chain.Upcast(stored, codecs)
			require.NoError(t, err)
			for _, e := range out {
				if !chain.Handles(stored.Type) {
					require.Equal(t, stored, e)
					continue
				}
				require.Contains(t, chain.Targets(), e.Type)
				if e.Name != stored.Name {
					require.Contains(t, chain.Sources(e.Name), stored.Name)
				}
			}
		}
	})
}

// randomSteps reads two letters as a step: it drops what the first one stands for if the second is no letter.
func randomSteps(pairs string) (steps []upcaster.Step) {
	letters := strings.Split(pairs, "")
	for i := 0; i+1 < len(letters); i += 2 {
		switch from, to := typeOf(letters[i]), typeOf(letters[i+1]); {
		case letters[i+1] == "-":
			steps = append(steps, upcaster.Drop(from))
		case i%3 == 0:
			steps = append(steps, splitInto(from, to, typeOf("x")))
		default:
			steps = append(steps, upcaster.Rename(from, to))
		}
	}
	return steps
}

// typeOf gives a letter and its capital the same name: a is version 1 of it, A version 2.
func typeOf(letter string) upcaster.Type {
	if lower := strings.ToLower(letter); lower != letter {
		return v(lower, 2)
	}
	return v(letter, 1)
}
