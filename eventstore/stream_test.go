package eventstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
)

func TestAStreamIDSurvivesItsText(t *testing.T) {
	for _, id := range []string{"42", "a-b-c", "ü/ \"'", "-"} {
		stream := eventstore.StreamID{Type: "order", ID: id}
		parsed, err := eventstore.ParseStreamID(stream.String())
		require.NoError(t, err)
		require.Equal(t, stream, parsed)
	}
	for _, s := range []string{"", "order", "-42", "order-"} {
		_, err := eventstore.ParseStreamID(s)
		require.Error(t, err, s)
	}
}

func TestStreamReadsARangeInBothDirections(t *testing.T) {
	s := openMemory(t)
	const n = 1200 // more than two pages
	for i := range n {
		mustAppend(t, s, ada, deposited{i + 1})
	}
	versions := func(opts *eventstore.StreamOptions) (out []int64) {
		events, err := collect(s.Stream(t.Context(), ada, opts))
		require.NoError(t, err)
		for _, e := range events {
			require.Equal(t, deposited{int(e.Version)}, e.Payload)
			out = append(out, e.Version)
		}
		return out
	}
	span := func(from, to int64) (out []int64) {
		for v := from; v <= to; v++ {
			out = append(out, v)
		}
		return out
	}
	back := func(from, to int64) (out []int64) {
		for v := from; v >= to; v-- {
			out = append(out, v)
		}
		return out
	}
	for name, c := range map[string]struct {
		opts *eventstore.StreamOptions
		want []int64
	}{
		"everything":                     {nil, span(1, n)},
		"everything backward":            {&eventstore.StreamOptions{Backward: true}, back(n, 1)},
		"from and to are inclusive":      {&eventstore.StreamOptions{From: 5, To: 7}, span(5, 7)},
		"one version":                    {&eventstore.StreamOptions{From: n, To: n}, span(n, n)},
		"the same range backward":        {&eventstore.StreamOptions{From: 5, To: 7, Backward: true}, back(7, 5)},
		"across page borders":            {&eventstore.StreamOptions{From: 500, To: 1100}, span(500, 1100)},
		"across page borders backward":   {&eventstore.StreamOptions{From: 50, To: 1100, Backward: true}, back(1100, 50)},
		"a limit below a page":           {&eventstore.StreamOptions{Limit: 3}, span(1, 3)},
		"a limit of exactly one page":    {&eventstore.StreamOptions{Limit: 512}, span(1, 512)},
		"a limit of a page and one":      {&eventstore.StreamOptions{Limit: 513}, span(1, 513)},
		"the newest":                     {&eventstore.StreamOptions{Backward: true, Limit: 1}, span(n, n)},
		"a limit above the end":          {&eventstore.StreamOptions{From: n - 1, Limit: 100}, span(n-1, n)},
		"after the end":                  {&eventstore.StreamOptions{From: n + 1}, nil},
		"to after the end":               {&eventstore.StreamOptions{From: n, To: n + 50}, span(n, n)},
		"to after the end, and backward": {&eventstore.StreamOptions{From: n, To: n + 50, Backward: true}, span(n, n)},
		"an empty range":                 {&eventstore.StreamOptions{From: 7, To: 5}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, versions(c.opts)) })
	}
	_, err := collect(s.Stream(t.Context(), ada, &eventstore.StreamOptions{From: -1}))
	require.ErrorContains(t, err, "From -1")
}

func TestReachedTellsTheLastVersionLookedAt(t *testing.T) {
	s := openMemory(t)
	mustAppend(t, s, ada, deposited{1}, deposited{2}, deposited{3})
	for want, opts := range map[int64]*eventstore.StreamOptions{
		3: {}, 2: {To: 2}, 1: {Backward: true}, 0: {From: 9},
	} {
		reached := int64(-1)
		opts.Reached = func(v int64) { reached = v }
		_, err := collect(s.Stream(t.Context(), ada, opts))
		require.NoError(t, err)
		require.Equal(t, want, reached)
	}
	for range s.Stream(t.Context(), ada, &eventstore.StreamOptions{Reached: func(int64) { t.Error("called for a loop that was left") }}) {
		break
	}
}

func TestTheLoopsBodyMayCallTheStore(t *testing.T) {
	s := openMemory(t)
	mustAppend(t, s, ada, deposited{1}, deposited{2})
	for e, err := range s.Stream(t.Context(), ada, nil) {
		require.NoError(t, err)
		mustAppend(t, s, eventstore.StreamID{Type: "copy", ID: "ada"}, e.Payload)
	}
	events, err := collect(s.All(t.Context(), 0, &eventstore.ReadOptions{StreamTypes: []string{"copy"}}))
	require.NoError(t, err)
	require.Equal(t, []any{deposited{1}, deposited{2}}, payloads(events))
}
