package upcaster_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

func TestUpcast(t *testing.T) {
	t.Run("applies steps until none fits", func(t *testing.T) {
		out := upcast(t, event(v("order.created", 1), `{"qty":2}`),
			renameField(v("order.placed", 2), v("order.placed", 3), "number", "quantity"),
			renameField(v("order.placed", 1), v("order.placed", 2), "qty", "number"),
			upcaster.Rename(v("order.created", 1), v("order.placed", 1)),
		)
		require.Equal(t, []string{`order.placed v3 {"quantity":2}`}, payloads(out))
	})
	t.Run("starts in the middle of a chain too", func(t *testing.T) {
		steps := []upcaster.Step{
			renameField(v("order.placed", 1), v("order.placed", 2), "qty", "number"),
			renameField(v("order.placed", 2), v("order.placed", 3), "number", "quantity"),
		}
		require.Equal(t, []string{`order.placed v3 {"quantity":2}`},
			payloads(upcast(t, event(v("order.placed", 2), `{"number":2}`), steps...)))
		require.Equal(t, []string{`order.placed v3 {"quantity":2}`},
			payloads(upcast(t, event(v("order.placed", 3), `{"quantity":2}`), steps...)))
	})
	t.Run("keeps the order of parts while they go different ways", func(t *testing.T) {
		out := upcast(t, event(v("moved", 1), `{}`),
			splitInto(v("moved", 1), v("left", 1), v("noise", 1), v("arrived", 1), v("done", 1)),
			splitInto(v("left", 1), v("packed", 1), v("gone", 1)),
			upcaster.Drop(v("noise", 1)),
			upcaster.Rename(v("arrived", 1), v("arrived", 2)),
			upcaster.Rename(v("arrived", 2), v("arrived", 3)),
		)
		require.Equal(t, []string{`packed v1 {}`, `gone v1 {}`, `arrived v3 {}`, `done v1 {}`}, payloads(out))
	})
	t.Run("returns what no step takes as it is", func(t *testing.T) {
		stored := event(v("order.placed", 2), "anything")
		stored.ContentType = "text/unknown"
		require.Equal(t, []upcaster.Event{stored}, upcast(t, stored, upcaster.Drop(v("order.placed", 1))))
	})
	t.Run("may be called by many goroutines at once", func(t *testing.T) {
		chain := newChain(t, renameField(v("a", 1), v("a", 2), "x", "y"), splitInto(v("a", 2), v("b", 1), v("c", 1)))
		stored := event(v("a", 1), `{"x":1}`)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					out, err := chain.Upcast(stored, codecs)
					if err != nil || len(out) != 2 || string(out[1].Data) != `{"y":1}` {
						t.Error(out, err)
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, event(v("a", 1), `{"x":1}`), stored)
	})
}

func TestHandles(t *testing.T) {
	chain := newChain(t, upcaster.Rename(v("a", 1), v("a", 2)), upcaster.Drop(v("b", 7)))
	t.Run("is true where a step begins", func(t *testing.T) {
		require.True(t, chain.Handles(v("a", 1)))
		require.True(t, chain.Handles(v("b", 7)))
		require.False(t, chain.Handles(v("a", 2)))
		require.False(t, chain.Handles(v("b", 1)))
	})
	t.Run("does not allocate", func(t *testing.T) {
		types := []upcaster.Type{v("a", 1), v("a", 2), v("unknown", 1)}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			for _, t := range types {
				chain.Handles(t)
			}
		}))
	})
}

func TestLeadsTo(t *testing.T) {
	chain := newChain(t,
		upcaster.Rename(v("order.created", 1), v("order.placed", 1)),
		splitInto(v("order.placed", 1), v("order.placed", 2), v("order.paid", 1)),
		upcaster.Drop(v("order.viewed", 1)),
	)
	for _, c := range []struct {
		from, target upcaster.Type
		want         bool
	}{
		{v("order.created", 1), v("order.placed", 2), true},
		{v("order.created", 1), v("order.paid", 1), true},
		{v("order.created", 1), v("order.created", 1), true},
		{v("order.unknown", 1), v("order.unknown", 1), true},
		{v("order.placed", 2), v("order.placed", 1), false},
		{v("order.viewed", 1), v("order.placed", 2), false},
	} {
		require.Equal(t, c.want, chain.LeadsTo(c.from, c.target), "%v to %v", c.from, c.target)
	}
}

func TestANilChain(t *testing.T) {
	var chain *upcaster.Chain
	stored := event(v("a", 1), `{}`)
	out, err := chain.Upcast(stored, codecs)
	require.NoError(t, err)
	require.Equal(t, []upcaster.Event{stored}, out)
	require.False(t, chain.Handles(stored.Type))
	require.Empty(t, chain.Targets())
	require.Empty(t, chain.Sources("a"))
	require.True(t, chain.LeadsTo(v("a", 1), v("a", 1)))
	require.False(t, chain.LeadsTo(v("a", 1), v("a", 2)))
}

func TestAChainWithoutStepsDoesNothing(t *testing.T) {
	stored := event(v("a", 1), `{}`)
	require.Equal(t, []upcaster.Event{stored}, upcast(t, stored))
	require.Empty(t, newChain(t).Targets())
}

func TestTargets(t *testing.T) {
	chain := newChain(t,
		upcaster.Rename(v("z", 1), v("z", 10)),
		upcaster.Rename(v("z", 2), v("z", 10)),
		upcaster.Rename(v("old", 1), v("a", 1)),
		upcaster.Rename(v("a", 1), v("a", 2)),
		splitInto(v("both", 1), v("z", 2), v("b", 1), v("b", 1), v("noise", 1)),
		upcaster.Drop(v("noise", 1)),
	)
	t.Run("are where the chain ends, sorted and without repetition", func(t *testing.T) {
		require.Equal(t, []upcaster.Type{v("a", 2), v("b", 1), v("z", 10)}, chain.Targets())
	})
	t.Run("are the caller's to change", func(t *testing.T) {
		chain.Targets()[0] = v("changed", 1)
		require.Equal(t, v("a", 2), chain.Targets()[0])
	})
}

func TestSources(t *testing.T) {
	chain := newChain(t,
		upcaster.Rename(v("order.created", 1), v("order.opened", 1)),
		upcaster.Rename(v("order.opened", 1), v("order.placed", 1)),
		upcaster.Rename(v("order.placed", 1), v("order.placed", 2)),
		splitInto(v("order.imported", 1), v("order.opened", 1), v("order.paid", 1)),
		upcaster.Rename(v("order.imported", 2), v("order.paid", 1)),
		upcaster.Rename(v("order.paid", 1), v("order.paid", 2)),
		upcaster.Drop(v("order.viewed", 1)),
		upcaster.Rename(v("payment", 1), v("order.viewed", 1)),
	)
	for target, want := range map[string][]string{
		"order.placed":  {"order.created", "order.imported", "order.opened"},
		"order.paid":    {"order.imported"},
		"order.opened":  nil, // no event ends as this one
		"order.viewed":  nil, // dropped
		"order.unknown": nil,
	} {
		t.Run("of "+target+" are all the names that lead there", func(t *testing.T) {
			require.Equal(t, want, chain.Sources(target))
		})
	}
	t.Run("are the caller's to change", func(t *testing.T) {
		chain.Sources("order.paid")[0] = "changed"
		require.Equal(t, []string{"order.imported"}, chain.Sources("order.paid"))
	})
	t.Run("are found in a graph with very many paths", func(t *testing.T) {
		var steps []upcaster.Step
		for n := range 60 {
			steps = append(steps, splitInto(v("left", n+1), v("left", n+2), v("right", n+2)),
				splitInto(v("right", n+1), v("left", n+2), v("right", n+2)))
		}
		require.Equal(t, []string{"right"}, newChain(t, steps...).Sources("left"))
	})
}
