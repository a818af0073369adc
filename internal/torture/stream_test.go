package torture_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/internal/torture"
)

// The most that a reader may add to the heap: two pages of 4 MB as they are stored, as they came and decoded, and what
// the collector has not yet found.
const readerBytes = 48 << 20

func TestALongStreamIsReadInBoundedMemory(t *testing.T) {
	n := torture.Size(10_000, 1_000_000)
	each(t, 0, func(t *testing.T, s *eventstore.Store) {
		fill(t, s, folder("long"), n, 100)
		for name, opts := range map[string]*eventstore.StreamOptions{"forward": nil, "backward": {Backward: true}} {
			before, most, got := heap(), int64(0), 0
			for e, err := range s.Stream(t.Context(), folder("long"), opts) {
				require.NoError(t, err)
				want := got
				if opts != nil {
					want = n - 1 - got
				}
				require.Equal(t, want, e.Payload.(sheet).n)
				if got++; got%(n/10) == 0 {
					most = max(most, heap()-before)
				}
			}
			require.Equal(t, n, got)
			t.Logf("%s: %d events, at most %.1f MB", name, got, float64(most)/(1<<20))
			require.Less(t, most, int64(readerBytes))
		}
	})
}

func TestTheLogIsReadInBoundedMemory(t *testing.T) {
	n := torture.Size(10_000, 500_000)
	each(t, 0, func(t *testing.T, s *eventstore.Store) {
		fill(t, s, folder("long"), n, 100)
		before, most, got := heap(), int64(0), 0
		for e, err := range s.All(t.Context(), 0, nil) {
			require.NoError(t, err)
			require.Equal(t, got, e.Payload.(sheet).n)
			if got++; got%(n/10) == 0 {
				most = max(most, heap()-before)
			}
		}
		require.Equal(t, n, got)
		require.Less(t, most, int64(readerBytes))
	})
}

// A page ends with the event that brings it to 4 MB, however many it could hold.
func TestLargeEventsAreReadOneByOne(t *testing.T) {
	const size, fewEvents = 5 << 20, 24 << 20
	n := torture.Size(6, 12)
	text := make([]byte, size)
	each(t, 0, func(t *testing.T, s *eventstore.Store) {
		for i := range n {
			_, err := s.Append(t.Context(), folder("large"), eventstore.Exactly(int64(i)), eventstore.NewEvent{Payload: sheet{i, text}})
			require.NoError(t, err)
		}
		before, most, got := heap(), int64(0), 0
		for e, err := range s.Stream(t.Context(), folder("large"), nil) {
			require.NoError(t, err)
			require.Equal(t, got, e.Payload.(sheet).n)
			require.Equal(t, size, len(e.Payload.(sheet).text))
			most = max(most, heap()-before)
			got++
		}
		require.Equal(t, n, got)
		t.Logf("at most %.1f MB", float64(most)/(1<<20))
		require.Less(t, most, int64(fewEvents))
	})
}
