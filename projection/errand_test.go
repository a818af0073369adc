package projection_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

// fussy is a deposit that can't be decoded if it is of two cents.
type fussy struct{ Cents int }

func (f fussy) cents() int { return f.Cents }

// UnmarshalJSON implements json.Unmarshaler.
func (f *fussy) UnmarshalJSON(data []byte) error {
	var d deposited
	if err := json.Unmarshal(data, &d); err != nil || d.Cents == 2 {
		return errRefused
	}
	f.Cents = d.Cents
	return nil
}

// parkedStreams waits until whatever was asked for has been done, and returns what is parked then.
func parkedStreams(t *testing.T, r *running, name string) []projection.Parked {
	t.Helper()
	<-time.After(3 * time.Second)
	all, err := r.Parked(t.Context(), name)
	require.NoError(t, err)
	return all
}

// The partition that a parked stream comes into begins where the slowest one of the earlier layout stood, before the events
// that its own earlier partition has passed by.
func TestP2AParkedStreamIsGoneOnWithBehindAChangeOfPartitions(t *testing.T) {
	ask := map[string]struct {
		how  func(r *projection.Runner, ctx context.Context, name string, stream eventstore.StreamID) error
		want []int64
	}{
		"by Retry": {(*projection.Runner).Retry, []int64{1, 2, 3, 4, 5}},
		"by Drop":  {(*projection.Runner).Drop, []int64{2, 3, 4, 5}},
	}
	for name, request := range ask {
		t.Run(name, func(t *testing.T) {
			onSQL(t, func(t *testing.T, w *world) {
				w.scatter(t, 3)
				w.append(t, "s3", deposited{2})
				for range 4 {
					w.append(t, "s4", deposited{1})
					w.append(t, "s3", deposited{1})
				}
				last := w.scatter(t, 3)
				seen := newSequence()
				seen.refuse("s4", errRefused)
				cut := func(partitions int) *projection.Projection {
					return seen.projection("seq", &projection.Options{Partitions: partitions, Tries: 1 << 30, MaxBackoff: time.Second,
						Failures: projection.Policies{Decoding: projection.Policy{Tries: 1, Then: projection.Park}}})
				}
				old := w.process(t)
				old.store = w.open(t, newTextRegistry[fussy](), nil)
				r := old.start(t, cut(4))
				require.Len(t, parkedStreams(t, r, "seq"), 1)
				require.NoError(t, r.stop())

				next := w.runner(t, nil, cut(3)) // which finds the request when it begins
				require.NoError(t, request.how(next, t.Context(), "seq", account("s3")))
				r = start(t, next)
				require.Empty(t, parkedStreams(t, r, "seq"))
				require.Less(t, r.status(t).Position, last)
				seen.refuse("s4", nil)
				r.reach(t, "seq", last)
				require.Equal(t, request.want, seen.all()["s3"])
			})
		})
	}
}

func TestP2EachRetryIsOneTryHoweverManyAreAskedForAtATime(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		var tries atomic.Int64
		p := projection.New("mix", &projection.Options{Tries: 1, Then: projection.Park})
		projection.On(p, func(_ context.Context, e projection.Event[entry]) error {
			if e.Stream.ID == "s3" && tries.Add(1) < 50 { // or a failure of this test would have no end
				return errRefused
			}
			return nil
		})
		r := w.start(t, p)
		r.reach(t, "mix", w.scatter(t, 20))
		require.NoError(t, r.Pause(t.Context(), "mix"))
		<-time.After(2 * time.Second)
		for range 3 {
			require.NoError(t, r.Retry(t.Context(), "mix", account("s3")))
		}
		before := tries.Load()
		require.NoError(t, r.Resume(t.Context(), "mix"))
		r.reach(t, "mix", w.append(t, "s4", deposited{1}))
		all := parkedStreams(t, r, "mix")
		require.Len(t, all, 1)
		require.Equal(t, 4, all[0].Tries)
		require.Equal(t, int64(3), tries.Load()-before)
	})
}

func TestP2RequestsThatHaveBeenCarriedOutAreNotKept(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		bad := &poison{bad: map[string]int64{"a": 1, "b": 1, "c": 1}}
		r := w.start(t, w.mixing(bad, &projection.Options{Tries: 1, Then: projection.Park}))
		for id := range bad.bad {
			r.reach(t, "mix", w.append(t, id, deposited{1}))
			require.NoError(t, r.Drop(t.Context(), "mix", account(id)))
			require.Empty(t, parkedStreams(t, r, "mix"))
		}
		leases, err := w.store.Leases(t.Context(), "mix@control")
		require.NoError(t, err)
		var doc struct {
			Requests []json.RawMessage `json:"requests"`
		}
		require.NoError(t, json.Unmarshal(leases[0].State, &doc))
		require.Len(t, doc.Requests, 1, "the last one, until there is another")
	})
}

func TestP2ADeadLetterThatCouldNotBeDeletedDoesNotParkTheStreamAgain(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		r := w.start(t, w.mixing(bad, &parking))
		r.reach(t, "mix", w.scatter(t, 400))
		bad.cure("s3")
		w.faults.set(func(f *faults) { f.delete = times(1, errLost) })
		require.NoError(t, r.Retry(t.Context(), "mix", account("s3")))
		require.Empty(t, parkedStreams(t, r, "mix"))
		require.NoError(t, r.stop())
		r = w.start(t, w.mixing(bad, &parking))
		r.reach(t, "mix", w.scatter(t, 20))
		require.Zero(t, r.status(t).Parked)
		if w.atomic {
			w.requireMixed(t)
		}
	})
}
