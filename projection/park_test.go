package projection_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
)

// poison is what a handler refuses, by stream and version.
type poison struct {
	mu    sync.Mutex
	bad   map[string]int64
	tries int // of what it refused
}

func newPoison(stream string, version int64) *poison {
	return &poison{bad: map[string]int64{stream: version}}
}

func (p *poison) cure(stream string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.bad, stream)
}

func (p *poison) taste(e *eventstore.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bad[e.Stream.ID] == e.Version {
		p.tries++
		return errRefused
	}
	return nil
}

func (p *poison) tasted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tries
}

// mixing returns a projection whose read model depends on the order in each stream, and which refuses what is poison,
// after it has written.
func (w *world) mixing(poison *poison, opts *projection.Options) *projection.Projection {
	p := projection.New("mix", opts)
	projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
		if err := w.balances.mix(ctx, e.Stream.ID, e.Version); err != nil {
			return err
		}
		return poison.taste(&e.Event)
	})
	return p
}

// requireMixed checks the read model of mixing against the log. without are positions that were left out.
func (w *world) requireMixed(t *testing.T, without ...int64) {
	t.Helper()
	want := map[string]int{}
	left := map[int64]bool{}
	for _, position := range without {
		left[position] = true
	}
	for e, err := range w.store.All(t.Context(), 0, nil) {
		require.NoError(t, err)
		if _, ok := e.Payload.(entry); ok && !left[e.Position] {
			want[e.Stream.ID] = mixed(want[e.Stream.ID], e.Version)
		}
	}
	require.Equal(t, want, w.balances.all(t))
}

var parking = projection.Options{Tries: 3, Then: projection.Park, BatchSize: 9, Partitions: 2}

func TestP2AStreamIsParkedAtItsPoisonousEventWhileTheOthersGoOn(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		r := w.start(t, w.mixing(bad, &parking))
		last := w.scatter(t, 100)
		began := time.Now()
		r.reach(t, "mix", last)
		require.Less(t, time.Since(began), time.Second)
		require.LessOrEqual(t, bad.tasted(), 4, "once in company, and then its tries")

		all, err := r.Parked(t.Context(), "mix")
		require.NoError(t, err)
		require.Len(t, all, 1)
		p := all[0]
		require.Equal(t, account("s3"), p.Stream)
		require.Equal(t, int64(2), p.Version)
		require.Equal(t, int64(24), p.Position)
		require.Equal(t, "account.deposited", p.Type)
		require.Equal(t, errRefused.Error(), p.Error)
		require.Equal(t, 3, p.Tries)
		require.Equal(t, 4, p.Waiting, "versions 2 to 5")
		require.Contains(t, w.log.String(), `msg="projection parks a stream"`)
		synctest.Wait()
		s := r.status(t)
		require.Equal(t, projection.StateParked, s.State)
		require.Equal(t, 1, s.Parked)
		require.ErrorIs(t, s.LastError, errRefused)
		elsewhere := w.process(t).runner(t, nil, w.mixing(bad, &parking))
		<-time.After(10 * time.Second)
		there, err := elsewhere.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, projection.StateParked, there[0].State)
		require.Equal(t, 1, there[0].Parked)

		bad.cure("s3")
		require.NoError(t, elsewhere.Retry(t.Context(), "mix", account("s3")))
		<-time.After(2 * time.Second)
		all, err = r.Parked(t.Context(), "mix")
		require.NoError(t, err)
		require.Empty(t, all)
		last = w.scatter(t, 40)
		r.reach(t, "mix", last)
		synctest.Wait()
		require.Equal(t, projection.StateLive, r.status(t).State)
		if w.atomic {
			w.requireMixed(t)
		}
	})
}

func TestP2OneOfAThousandStreamsHoldsUpNoneOfTheOthers(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		const streams = 1000
		all := make([]eventstore.Write, 0, streams)
		var last int64
		for round := range 3 {
			all = all[:0]
			for i := range streams {
				all = append(all, eventstore.Write{Stream: account(fmt.Sprint(i)), Expected: eventstore.Any,
					Events: eventstore.Events(deposited{round})})
			}
			receipts, err := w.store.AppendAll(t.Context(), all...)
			require.NoError(t, err)
			last = receipts[streams-1].Position
		}
		bad := newPoison("617", 2)
		r := w.start(t, w.mixing(bad, &projection.Options{Then: projection.Park, Tries: 2}))
		r.reach(t, "mix", last)
		require.Len(t, w.balances.all(t), streams)
		bad.cure("617")
		require.NoError(t, r.Retry(t.Context(), "mix", account("617")))
		<-time.After(2 * time.Second)
		require.Zero(t, r.status(t).Parked)
		w.requireMixed(t)
	})
}

func TestP2ARetryThatFailsAgainLeavesTheStreamParkedWhereItFailed(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		r := w.start(t, w.mixing(bad, &parking))
		r.reach(t, "mix", w.scatter(t, 400))
		tries := bad.tasted()
		parked := func() projection.Parked {
			<-time.After(2 * time.Second)
			all, err := r.Parked(t.Context(), "mix")
			require.NoError(t, err)
			require.Len(t, all, 1)
			return all[0]
		}
		require.NoError(t, r.Retry(t.Context(), "mix", account("s3")))
		again := parked()
		require.Equal(t, int64(2), again.Version)
		require.Equal(t, 4, again.Tries)
		<-time.After(time.Minute)
		require.LessOrEqual(t, bad.tasted()-tries, 5, "in smaller and smaller batches, and then it is left alone")

		bad.cure("s3")
		bad.bad["s3"] = 11
		require.NoError(t, r.Retry(t.Context(), "mix", account("s3")))
		later := parked()
		require.Equal(t, int64(11), later.Version)
		require.Equal(t, 10, later.Waiting)
		require.Contains(t, w.log.String(), "projection could not go on with a parked stream")
		bad.cure("s3")
		require.NoError(t, r.Retry(t.Context(), "mix", account("s3")))
		<-time.After(2 * time.Second)
		w.requireMixed(t)
	})
}

func TestP2DropGivesUpTheFailedEventAndGoesOnBehindIt(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		r := w.start(t, w.mixing(bad, &parking))
		last := w.scatter(t, 100)
		r.reach(t, "mix", last)
		require.NoError(t, r.Drop(t.Context(), "mix", account("s3")))
		<-time.After(2 * time.Second)
		all, err := r.Parked(t.Context(), "mix")
		require.NoError(t, err)
		require.Empty(t, all)
		skipped, err := r.Skipped(t.Context(), "mix")
		require.NoError(t, err)
		require.Len(t, skipped, 1)
		require.Equal(t, int64(24), skipped[0].Position)
		r.reach(t, "mix", w.scatter(t, 20))
		w.requireMixed(t, 24)
	})
}

func TestP2DropOfAStreamsLastEventLeavesNothingBehind(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		r := w.start(t, w.mixing(bad, &parking))
		r.reach(t, "mix", w.scatter(t, 40))
		require.NoError(t, r.Drop(t.Context(), "mix", account("s3")))
		<-time.After(2 * time.Second)
		require.Zero(t, r.status(t).Parked)
		r.reach(t, "mix", w.scatter(t, 20))
		w.requireMixed(t, 24)
	})
}

func TestP2SkipLeavesTheEventOutAndRecordsIt(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		r := w.start(t, w.mixing(bad, &projection.Options{Tries: 2, Then: projection.Skip}))
		last := w.scatter(t, 100)
		r.reach(t, "mix", last)
		skipped, err := r.Skipped(t.Context(), "mix")
		require.NoError(t, err)
		require.Len(t, skipped, 1)
		require.Equal(t, account("s3"), skipped[0].Stream)
		require.Equal(t, errRefused.Error(), skipped[0].Error)
		require.ErrorIs(t, r.Retry(t.Context(), "mix", account("s3")), projection.ErrNotParked)
		require.Contains(t, w.log.String(), `msg="projection leaves an event out"`)
		if w.atomic {
			w.requireMixed(t, 24)
		}
	})
}

func TestP2ParkedStreamsStayParkedOverRestartsAndChangesOfPartitions(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		bad.bad["s8"] = 4
		for _, n := range []int{1, 4, 2} {
			opts := parking
			opts.Partitions = n
			r := w.process(t).start(t, w.mixing(bad, &opts))
			r.reach(t, "mix", w.scatter(t, 100))
			<-time.After(2 * time.Second)
			require.Equal(t, 2, r.status(t).Parked)
			require.NoError(t, r.stop())
		}
		bad.cure("s3")
		bad.cure("s8")
		r := w.start(t, w.mixing(bad, nil))
		require.NoError(t, r.Retry(t.Context(), "mix", account("s3")))
		require.NoError(t, r.Retry(t.Context(), "mix", account("s8")))
		<-time.After(2 * time.Second)
		r.reach(t, "mix", w.scatter(t, 20))
		w.requireMixed(t)
	})
}

func TestP2ARetryThatIsCutShortIsGoneOnWithByTheNextOwner(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 1)
		doomed := w.process(t)
		opts := projection.Options{Tries: 1, Then: projection.Park, BatchSize: 5}
		one := doomed.start(t, w.mixing(bad, &opts))
		one.reach(t, "mix", w.scatter(t, 600)) // 30 of each stream
		bad.cure("s3")
		commits := 0
		doomed.faults.set(func(f *faults) {
			f.commit = func() error {
				if commits++; commits == 3 {
					doomed.faults.kill()
					return errLost
				}
				return nil
			}
		})
		require.NoError(t, w.process(t).runner(t, nil, w.mixing(bad, &opts)).Retry(t.Context(), "mix", account("s3")))
		<-time.After(5 * time.Second)
		two := w.start(t, w.mixing(bad, &opts))
		all, err := two.Parked(t.Context(), "mix")
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, int64(11), all[0].Version, "two batches were committed")
		<-time.After(30 * time.Second)
		require.Zero(t, two.status(t).Parked)
		w.requireMixed(t)
	})
}

func TestP2ParkingAndRetryingAreDoneOnceWhenAnAnswerIsLost(t *testing.T) {
	for name, breakIt := range map[string]func(f *faults, broken func() error){
		"the answer to the commit": func(f *faults, broken func() error) { f.answer = broken },
		"the commit":               func(f *faults, broken func() error) { f.commit = broken },
	} {
		t.Run(name, func(t *testing.T) {
			onSQL(t, func(t *testing.T, w *world) {
				bad := newPoison("s3", 2)
				opts := &projection.Options{Tries: 2, Then: projection.Park, BatchSize: 7}
				w.scatter(t, 400)
				n := 0
				w.faults.set(func(f *faults) {
					breakIt(f, func() error {
						if n++; n%3 == 0 {
							return errLost
						}
						return nil
					})
				})
				r := w.start(t, w.mixing(bad, opts))
				r.reach(t, "mix", 400)
				require.Equal(t, 1, r.status(t).Parked)
				bad.cure("s3")
				elsewhere := w.process(t).runner(t, nil, w.mixing(bad, opts))
				require.NoError(t, elsewhere.Retry(t.Context(), "mix", account("s3")))
				<-time.After(10 * time.Second)
				require.Zero(t, r.status(t).Parked)
				last := w.scatter(t, 40)
				r.reach(t, "mix", last)
				w.requireMixed(t)

				bad.mu.Lock()
				bad.bad["s5"] = 24
				bad.mu.Unlock()
				last = w.scatter(t, 60)
				r.reach(t, "mix", last)
				require.NoError(t, elsewhere.Drop(t.Context(), "mix", account("s5")))
				<-time.After(10 * time.Second)
				require.Zero(t, r.status(t).Parked)
				w.requireMixed(t, 466)
			})
		})
	}
}

func TestP2EachClassOfErrorsHasItsPolicy(t *testing.T) {
	type future struct{ Cents int }
	type text struct{ Cents string }
	onSQL(t, func(t *testing.T, w *world) {
		store := func(reg *serializer.Registry, id string, payload any) {
			_, err := w.open(t, reg, nil).Append(t.Context(), account(id), eventstore.Any, eventstore.Events(payload)...)
			require.NoError(t, err)
		}
		later := serializer.NewRegistry(nil)
		serializer.Register[future](later, "account.deposited", serializer.Version(2))
		w.append(t, "ada", deposited{1})
		store(later, "later", future{2})
		store(newTextRegistry[text](), "text", text{"many"})
		w.append(t, "later", deposited{3})
		w.append(t, "text", deposited{4})
		last := w.append(t, "bad", deposited{5})

		bad := newPoison("bad", 1)
		r := w.start(t, w.mixing(bad, &projection.Options{Then: projection.Stop, Tries: 2, Failures: projection.Policies{
			Decoding: projection.Policy{Then: projection.Park, Tries: 1},
			Unknown:  projection.Policy{Then: projection.Skip, Tries: 3},
		}}))
		err := r.WaitFor(t.Context(), "mix", last)
		var stopped *projection.StoppedError
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, 2, stopped.Tries)
		require.Equal(t, account("bad"), stopped.Event.Stream)
		parked, err := r.Parked(t.Context(), "mix")
		require.NoError(t, err)
		require.Len(t, parked, 1)
		require.Equal(t, account("text"), parked[0].Stream)
		require.Equal(t, 1, parked[0].Tries)
		skipped, err := r.Skipped(t.Context(), "mix")
		require.NoError(t, err)
		require.Len(t, skipped, 1)
		require.Equal(t, account("later"), skipped[0].Stream)
		require.Equal(t, 3, skipped[0].Tries)
		require.Equal(t, map[string]int{"ada": 1, "later": 2}, w.balances.all(t))
	})
}

func TestP2AnEventThatDoesNotDecodeIsRetriedOnceItDoes(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		position := poisonous(t, w)
		last := w.append(t, "odd", deposited{7}, renamed{"Odd"}, deposited{8})
		old := newSequence()
		opts := &projection.Options{Then: projection.Park, Tries: 1}
		r := w.start(t, old.projection("seq", opts))
		r.reach(t, "seq", last)
		require.NoError(t, r.Retry(t.Context(), "seq", account("odd")))
		<-time.After(2 * time.Second)
		all, err := r.Parked(t.Context(), "seq")
		require.NoError(t, err)
		require.Len(t, all, 1, "in vain")
		require.Equal(t, position, all[0].Position)
		require.Equal(t, 3, all[0].Waiting)
		require.NoError(t, r.stop())

		reg := serializer.NewRegistry(nil) // which reads whatever it is
		serializer.Register[lenient](reg, "account.deposited")
		mended := *w
		mended.store = w.open(t, reg, nil)
		var got []int64
		p := projection.New("seq", opts)
		projection.On(p, func(_ context.Context, e projection.Event[lenient]) error { got = append(got, e.Version); return nil })
		r = mended.start(t, p)
		require.NoError(t, r.Retry(t.Context(), "seq", account("odd")))
		<-time.After(2 * time.Second)
		require.Equal(t, []int64{1, 2, 4}, got)
		require.Zero(t, r.status(t).Parked)
	})
}

type lenient struct{ Cents any }

func TestP2AHandlerOfBatchesParksTheEventToBlame(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		p := projection.New("mix", &projection.Options{Tries: 2, Then: projection.Park, BatchSize: 50,
			Types: []string{"account.deposited"}})
		projection.OnBatch(p, func(ctx context.Context, events []eventstore.Event) error {
			for i := range events {
				err := errors.Join(w.balances.mix(ctx, events[i].Stream.ID, events[i].Version), bad.taste(&events[i]))
				if err != nil {
					return err
				}
			}
			return nil
		})
		r := w.start(t, p)
		r.reach(t, "mix", w.scatter(t, 200))
		bad.cure("s3")
		bad.mu.Lock()
		bad.bad["s3"] = 7
		bad.mu.Unlock()
		require.NoError(t, r.Retry(t.Context(), "mix", account("s3")))
		<-time.After(2 * time.Second)
		all, err := r.Parked(t.Context(), "mix")
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, int64(7), all[0].Version)
		bad.cure("s3")
		require.NoError(t, r.Retry(t.Context(), "mix", account("s3")))
		<-time.After(2 * time.Second)
		w.requireMixed(t)
	})
}

func TestP2RequestsSayWhatIsWrongWithThem(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		r := w.runner(t, nil, w.projection("balances", nil))
		require.EqualError(t, r.Retry(t.Context(), "balances", account("ada")),
			`projection: retry "account-ada" in "balances": projection: the stream is not parked`)
		require.ErrorIs(t, r.Drop(t.Context(), "balances", account("ada")), projection.ErrNotParked)
		require.ErrorIs(t, r.Retry(t.Context(), "other", account("ada")), projection.ErrUnknown)
		_, err := r.Parked(t.Context(), "other")
		require.ErrorIs(t, err, projection.ErrUnknown)
		require.ErrorIs(t, r.Pause(t.Context(), "other"), projection.ErrUnknown)
	})
}
