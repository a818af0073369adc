package projection

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
)

func TestTermsCloseALayoutThatIsNotInForce(t *testing.T) {
	c := newControl()
	old := c.Live
	require.Equal(t, terms{}, c.terms(old))

	built := layout{Epoch: c.epoch(), Version: 2, Partitions: 1}
	c.Rebuild = &rebuild{Layout: built, Stage: stageBuild}
	require.Equal(t, terms{rebuilding: true, silent: math.MaxInt64}, c.terms(built))
	c.Rebuild.Stage, c.Rebuild.Barrier = stageDrain, 7
	require.Equal(t, terms{barrier: 7}, c.terms(old))
	require.Equal(t, terms{rebuilding: true, barrier: 7, silent: math.MaxInt64}, c.terms(built))

	cancelled := *c.Rebuild
	cancelled.Cancelled = true
	c.Rebuild = &cancelled
	require.Equal(t, terms{}, c.terms(old), "goes on where it likes")
	require.True(t, c.terms(built).closed)

	c.Live, c.Rebuild = built, nil
	require.Equal(t, terms{}, c.terms(built))
	require.True(t, c.terms(old).closed)
}

func TestADeliveryThatNobodyHasReadWakesWhoBeginsToListen(t *testing.T) {
	var b inbox
	b.read()
	b.deliver(terms{barrier: 1})
	called, end := b.listen(t.Context())
	require.Error(t, called.Err())
	end()
	require.Equal(t, terms{barrier: 1}, b.read())
	called, end = b.listen(t.Context())
	defer end()
	require.NoError(t, called.Err())
	b.deliver(terms{})
	require.Error(t, called.Err())
}

// However often the partitions are changed, and wherever they stood, what is left to do is what nobody has done.
func TestALayoutHandlesWhatTheOnesBeforeItHaveNot(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const positions = 300
	streams := make([]eventstore.StreamID, positions+1) // by position
	for i := range streams {
		streams[i] = eventstore.StreamID{Type: "account", ID: string(rune('a' + random.IntN(26)))}
	}
	handled := make([]int, positions+1)
	l := layout{Epoch: 1, Version: 1, Partitions: 1 + random.IntN(5)}
	run := func(reach func() int64) (at []int64) {
		for _, p := range l.parts("p") {
			to := min(l.Start+reach(), positions)
			takes := p.takes()
			for position := l.Start + 1; position <= to; position++ {
				if takes == nil || takes(streams[position], position) {
					handled[position]++
				}
			}
			at = append(at, to)
		}
		return at
	}
	for range 12 {
		at := run(func() int64 { return random.Int64N(60) })
		l = l.after(at, 1+random.IntN(5), l.Epoch+1)
	}
	run(func() int64 { return positions })
	for position := range positions {
		require.Equal(t, 1, handled[position+1], "position %d", position+1)
	}
	require.LessOrEqual(t, len(l.Done), 12)
}

func TestBalanceSpreadsEvenlyAndMovesLittle(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		members, n := 1+random.IntN(6), random.IntN(40)
		stakes := make([]stake, n)
		for i := range stakes {
			stakes[i].holder = random.IntN(members+1) - 1
			for m := range members {
				stakes[i].may = append(stakes[i].may, m)
			}
		}
		before := slices.Clone(stakes)
		balance(stakes, members)
		load := make([]int, members)
		for _, s := range stakes {
			load[s.holder]++
		}
		require.LessOrEqual(t, slices.Max(load)-slices.Min(load), 1)
		again := slices.Clone(stakes)
		balance(again, members)
		require.Equal(t, stakes, again, "and then stays")
		moved := 0
		for i := range stakes {
			if before[i].holder >= 0 && before[i].holder != stakes[i].holder {
				moved++
			}
		}
		require.LessOrEqual(t, moved, surplus(before, members))
	}
}

// surplus returns how many stakes members hold beyond what is their share at least.
func surplus(stakes []stake, members int) int {
	load := make([]int, members)
	for _, s := range stakes {
		if s.holder >= 0 {
			load[s.holder]++
		}
	}
	over := 0
	for _, n := range load {
		over += max(0, n-len(stakes)/members)
	}
	return over
}
