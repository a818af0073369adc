package projection_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

// sequence is which versions of each stream a handler was given, in order.
type sequence struct {
	mu       sync.Mutex
	versions map[string][]int64
	fail     map[string]error // instead of handling a stream's events
}

func newSequence() *sequence {
	return &sequence{versions: map[string][]int64{}, fail: map[string]error{}}
}

func (s *sequence) projection(name string, opts *projection.Options) *projection.Projection {
	p := projection.New(name, opts)
	projection.On(p, func(_ context.Context, e projection.Event[entry]) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.fail[e.Stream.ID]; err != nil {
			return err
		}
		s.versions[e.Stream.ID] = append(s.versions[e.Stream.ID], e.Version)
		return nil
	})
	return p
}

func (s *sequence) refuse(stream string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[stream] = err
}

func (s *sequence) all() map[string][]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]int64{}
	for id, versions := range s.versions {
		all[id] = slices.Clone(versions)
	}
	return all
}

// requireWhole checks that each event of the log came once, and after the one before it in its stream.
func (s *sequence) requireWhole(t *testing.T, w *world) {
	t.Helper()
	want := map[string][]int64{}
	for e, err := range w.store.All(t.Context(), 0, nil) {
		require.NoError(t, err)
		want[e.Stream.ID] = append(want[e.Stream.ID], e.Version)
	}
	require.Equal(t, want, s.all())
}

// scatter stores so many events, round after round in 20 streams, and returns the position of the last one.
func (w *world) scatter(t *testing.T, n int) (position int64) {
	t.Helper()
	for i := range n {
		position = w.append(t, fmt.Sprint("s", i%20), deposited{1})
	}
	return position
}

func TestP5PartitionsKeepTheOrderInsideAStream(t *testing.T) {
	for name, processes := range map[string]int{"in one process": 1, "in three": 3} {
		t.Run(name, func(t *testing.T) {
			onEvery(t, func(t *testing.T, w *world) {
				seen := newSequence()
				w.scatter(t, 100)
				var r *running
				for range processes {
					p := w.process(t)
					r = p.start(t, seen.projection("parts", &projection.Options{Partitions: 5, BatchSize: 7}))
				}
				for range 5 {
					r.reach(t, "parts", w.scatter(t, 40))
					<-time.After(700 * time.Millisecond)
				}
				seen.requireWhole(t, w)
				s := r.status(t)
				require.Len(t, s.Partitions, 5)
				owners := map[string]bool{}
				for _, p := range s.Partitions {
					owners[p.Owner] = true
				}
				require.Len(t, owners, processes)
			})
		})
	}
}

func TestP5HandlersOfDifferentPartitionsRunSideBySide(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		const n = 4
		var meet sync.WaitGroup
		meet.Add(n)
		met := map[int64]bool{}
		p := projection.New("parts", &projection.Options{Partitions: n, BatchSize: 1})
		var mu sync.Mutex
		projection.On(p, func(_ context.Context, e projection.Event[entry]) error {
			mu.Lock()
			first := len(met) < n
			met[e.Position] = true
			mu.Unlock()
			if first {
				meet.Done()
				meet.Wait() // for one of each partition: a single worker would wait for ever
			}
			return nil
		})
		w.scatter(t, 20)
		r := w.start(t, p)
		r.reach(t, "parts", 20)
	})
}

func TestP5TheNumberOfPartitionsChangesWhileItRuns(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		seen := newSequence()
		stopped := make(chan struct{})
		var last int64
		go func() {
			defer close(stopped)
			for range 40 {
				last = w.scatter(t, 20)
				<-time.After(300 * time.Millisecond)
			}
		}()
		var all []*running
		for _, n := range []int{1, 4, 3, 8, 1, 2} {
			p := w.process(t) // the one that is started last gets its way
			all = append(all, p.start(t, seen.projection("parts", &projection.Options{Partitions: n, BatchSize: 9})))
			<-time.After(3 * time.Second)
			require.Len(t, all[0].status(t).Partitions, n)
		}
		<-stopped
		for _, r := range all {
			r.reach(t, "parts", last)
		}
		seen.requireWhole(t, w)
	})
}

func TestP5AProjectionKeepsItsPartitionsIfNothingIsAskedFor(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		seen := newSequence()
		r := w.start(t, seen.projection("parts", &projection.Options{Partitions: 3}))
		r.reach(t, "parts", w.scatter(t, 40))
		require.NoError(t, r.stop())
		r = w.start(t, seen.projection("parts", nil))
		r.reach(t, "parts", w.scatter(t, 40))
		require.Len(t, r.status(t).Partitions, 3)
		seen.requireWhole(t, w)
	})
}

func TestP5APartitionThatLagsKeepsNobodyFromChangingTheirNumber(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		seen := newSequence()
		seen.refuse("s3", errRefused)
		opts := func(n int) *projection.Options {
			return &projection.Options{Partitions: n, BatchSize: 10, MaxBackoff: time.Second, Tries: 1 << 30}
		}
		one := w.start(t, seen.projection("parts", opts(4)))
		w.scatter(t, 200)
		synctest.Wait()
		<-time.After(10 * time.Second)
		require.Greater(t, len(seen.all()), 10, "the others have gone on")
		require.NoError(t, one.stop())
		for _, n := range []int{7, 2, 1, 5} { // what was handled is remembered over all of them
			p := w.process(t)
			r := p.start(t, seen.projection("parts", opts(n)))
			w.scatter(t, 20)
			<-time.After(10 * time.Second)
			require.Len(t, r.status(t).Partitions, n)
			require.NoError(t, r.stop())
		}
		seen.refuse("s3", nil)
		last := w.scatter(t, 20)
		r := w.start(t, seen.projection("parts", nil))
		r.reach(t, "parts", last)
		seen.requireWhole(t, w)
	})
}

func TestP5AnEventOfAnotherPartitionThatDoesNotDecodeHarmsOneOnly(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		seen := newSequence()
		poisonous(t, w)
		last := w.scatter(t, 40)
		r := w.start(t, seen.projection("parts", &projection.Options{Partitions: 4, Tries: 2}))
		err := r.WaitFor(t.Context(), "parts", last)
		require.ErrorAs(t, err, new(*eventstore.DecodeError))
		<-time.After(5 * time.Second)
		s := r.status(t)
		require.Equal(t, projection.StateStopped, s.State)
		var states []projection.State
		for _, p := range s.Partitions {
			states = append(states, p.State)
		}
		slices.Sort(states)
		require.Equal(t, []projection.State{"live", "live", "live", "stopped"}, states)
	})
}

// poisonous stores an event that does not decode, and returns its position.
func poisonous(t *testing.T, w *world) int64 {
	t.Helper()
	type text struct{ Cents string }
	old := newTextRegistry[text]()
	r, err := w.open(t, old, nil).Append(t.Context(), account("odd"), eventstore.Any, eventstore.Events(text{"many"})...)
	require.NoError(t, err)
	return r.Position
}

func TestADriverWithoutOwnersRefusesPartitionsAndAStart(t *testing.T) {
	onSQLite(t, func(t *testing.T, w *world) {
		w = w.withoutOwners(t)
		for _, opts := range []*projection.Options{{Partitions: 2}, {From: projection.FromNow()}} {
			err := w.runner(t, nil, w.projection("balances", opts)).Run(t.Context())
			require.ErrorIs(t, err, eventstore.ErrNotSupported)
			require.ErrorContains(t, err, `projection: "balances": the options Partitions and From need a driver that knows owners`)
		}
	})
}

func TestAProjectionBeginsWhereItsOptionsSayAndOnlyOnce(t *testing.T) {
	for name, test := range map[string]struct {
		from func(at time.Time) projection.Start
		want []int64
	}{
		"at the beginning": {func(time.Time) projection.Start { return projection.Start{} }, []int64{1, 2, 3, 4, 5, 6, 7}},
		"now":              {func(time.Time) projection.Start { return projection.FromNow() }, []int64{5, 6, 7}},
		"after a position": {func(time.Time) projection.Start { return projection.FromPosition(2) }, []int64{3, 4, 5, 6, 7}},
		"at a time":        {projection.FromTime, []int64{4, 5, 6, 7}},
		"at a time to come": {func(at time.Time) projection.Start { return projection.FromTime(at.Add(time.Hour)) },
			[]int64{5, 6, 7}},
		"at a time before all": {func(at time.Time) projection.Start { return projection.FromTime(at.Add(-time.Hour)) },
			[]int64{1, 2, 3, 4, 5, 6, 7}},
	} {
		for _, partitions := range []int{1, 3} {
			t.Run(fmt.Sprint(name, " with ", partitions), func(t *testing.T) {
				onEvery(t, func(t *testing.T, w *world) {
					var mu sync.Mutex
					var got []int64
					begin := func() *running {
						p := projection.New("late", &projection.Options{From: test.from(time.Now()), Partitions: partitions})
						projection.On(p, func(_ context.Context, e projection.Event[any]) error {
							mu.Lock()
							defer mu.Unlock()
							got = append(got, e.Position)
							return nil
						})
						return w.process(t).start(t, p)
					}
					w.deposit(t, 3)
					<-time.After(time.Minute)
					w.deposit(t, 1)
					r := begin()
					r.reach(t, "late", 4)
					r.reach(t, "late", w.deposit(t, 1))
					require.NoError(t, r.stop())
					w.deposit(t, 2) // while nobody runs it
					r = begin()
					r.reach(t, "late", 7)
					require.NoError(t, r.stop())
					slices.Sort(got)
					require.Equal(t, test.want, got)
				})
			})
		}
	}
}
