package projection_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

// patient is of a projection that tries again for ever. It is cut anew by another number of partitions.
func patient(partitions int) projection.Options {
	return projection.Options{Partitions: partitions, BatchSize: 20, Tries: 1 << 30, MaxBackoff: time.Second}
}

// requireSwitch waits for the switch, in the course of which each event is to be handled once, and nothing taken back.
func (l *ledger) requireSwitch(t *testing.T, w *world, r *running, last int64) {
	t.Helper()
	before := l.events(t)
	<-time.After(10 * time.Second)
	require.Equal(t, 1, r.status(t).Version)
	lowest := before
	l.set(func() { clear(l.bad); clear(l.end) })
	for r.status(t).Version == 1 {
		<-time.After(10 * time.Millisecond)
		lowest = min(lowest, l.events(t))
	}
	r.reach(t, "ledger", last)
	require.Equal(t, w.mixture(t), l.table(t, "ledger"))
	require.Equal(t, upTo(last), l.told(t), "each event's side effect happened once")
	require.Equal(t, before, lowest, "readers are never taken back")
}

// A layout that follows one of which a partition lagged begins where that stood, and knows what the others have handled.
func TestP6TheSwitchComesBehindWhatEarlierLayoutsOfTheLiveVersionHaveHandled(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.bad[1], l.bad[2] = 42, 102
		r := w.start(t, l.projection(patient(2)))
		last := w.scatter(t, 300)
		<-time.After(5 * time.Second)
		require.NoError(t, r.stop())
		r = w.start(t, l.projection(patient(1)))
		<-time.After(5 * time.Second)
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		l.requireSwitch(t, w, r, last)
	})
}

func TestP6TheSwitchComesBehindWhatEarlierLayoutsOfTheNewVersionHaveHandled(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.end[1], l.bad[2] = 42, 10
		r := w.start(t, l.projection(patient(2)))
		last := w.scatter(t, 300)
		<-time.After(5 * time.Second)
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		<-time.After(5 * time.Second)
		require.NoError(t, r.stop())
		l.set(func() { l.bad[2] = 110 }) // of the same stream
		r = w.start(t, l.projection(patient(1)))
		l.requireSwitch(t, w, r, last)
	})
}

// A program of the release before the one that can be rebuilt is still running while that is rolled out.
func TestP6AProgramWithoutOnSwitchLeavesARebuildToOthers(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		last := w.scatter(t, 40)
		p := projection.New("ledger", nil)
		projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
			require.Equal(t, 1, projection.Version(ctx))
			return l.enter(ctx, e)
		})
		old := w.process(t)
		before := old.start(t, p)
		before.reach(t, "ledger", last)
		now := w.runner(t, nil, l.projection(projection.Options{}))
		_, err := now.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		<-time.After(time.Minute)
		last = w.scatter(t, 40)
		before.reach(t, "ledger", last)
		require.Contains(t, old.log.String(), `msg="projection has a version that is being built, which this program leaves to others: `+
			`it has no OnSwitch" projection=ledger version=2`)
		r := start(t, now)
		<-time.After(5 * time.Second)
		require.NoError(t, before.stop())
		rebuilt(t, r, 2)
		r.reach(t, "ledger", w.scatter(t, 40))
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
	})
}

func TestP6APanicOfOnSwitchIsAFailureLikeAnyOther(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		fails := times(3, errRefused)
		p := projection.New("ledger", &projection.Options{OnSwitch: func(context.Context, int, int) error {
			if err := fails(); err != nil {
				panic(err)
			}
			return nil
		}})
		projection.On(p, func(context.Context, projection.Event[entry]) error { return nil })
		r := w.start(t, p)
		r.reach(t, "ledger", w.scatter(t, 40))
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		rebuilt(t, r, 2)
		require.Contains(t, w.log.String(), `error="OnSwitch: the handler panicked: the read model refused it"`)
		require.Contains(t, w.log.String(), "switch_test.go", "the stack")
	})
}

func TestP6AVersionThatStopsBeforeTheSwitchDoesNotKeepTheLiveOneFromGoingOn(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.bad[2] = 98                                                              // within a batch of the head
		r := w.start(t, l.projection(projection.Options{BatchSize: 20, Tries: 8})) // for longer than the switch takes to begin
		r.reach(t, "ledger", w.scatter(t, 100))
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		<-time.After(time.Minute)
		last := w.append(t, "s1", deposited{1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, r.WaitFor(ctx, "ledger", last))
		s := r.status(t)
		require.Equal(t, projection.StateStopped, s.Rebuild.State)
		require.ErrorIs(t, s.Rebuild.LastError, errRefused)
		require.Equal(t, 1, strings.Count(w.log.String(), `error="it has stopped: see Status, and call Resume when it is mended"`))

		l.set(func() { delete(l.bad, 2) })
		require.NoError(t, r.Resume(t.Context(), "ledger"))
		rebuilt(t, r, 2)
		last = w.append(t, "s1", deposited{1})
		r.reach(t, "ledger", last)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
		require.Equal(t, upTo(last), l.told(t))
	})
}

func TestP6AStreamThatWasParkedInTheNewVersionIsRetriedWithoutItsSideEffects(t *testing.T) {
	for name, recut := range map[string]bool{"in the layout that was built": false, "in another one": true} {
		t.Run(name, func(t *testing.T) {
			onSQL(t, func(t *testing.T, w *world) {
				l := newLedger(t, w)
				l.bad[2] = 24
				opts := projection.Options{Tries: 1, Partitions: 1,
					RebuildFailures: &projection.Policies{Handler: projection.Policy{Then: projection.Park}}}
				r := w.start(t, l.projection(opts))
				r.reach(t, "ledger", w.scatter(t, 100))
				_, err := r.Rebuild(t.Context(), "ledger")
				require.NoError(t, err)
				rebuilt(t, r, 2)
				last := w.scatter(t, 40) // of which the new version is to tell
				r.reach(t, "ledger", last)
				if recut {
					opts.Partitions = 3
					r = w.process(t).start(t, l.projection(opts))
					<-time.After(5 * time.Second)
				}
				l.set(func() { delete(l.bad, 2) })
				require.NoError(t, r.Retry(t.Context(), "ledger", account("s3")))
				require.Empty(t, parkedStreams(t, r, "ledger"))
				require.Equal(t, w.mixture(t), l.table(t, "ledger"))
				require.ElementsMatch(t, upTo(last), l.told(t), "each event's side effect happened once")
			})
		})
	}
}

func TestP6AHandlerOfBatchesKeepsApartWhatIsRetriedFromBeforeTheSwitch(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		bad := newPoison("s3", 2)
		var told []int64
		p := projection.New("ledger", &projection.Options{Tries: 1, Then: projection.Park,
			OnSwitch: func(context.Context, int, int) error { return nil }})
		projection.OnBatch(p, func(ctx context.Context, events []eventstore.Event) error {
			for i := range events {
				if projection.Version(ctx) == 2 {
					if err := bad.taste(&events[i]); err != nil {
						return err
					}
				}
				if !projection.Rebuilding(ctx) && events[i].Stream == account("s3") {
					told = append(told, events[i].Version)
				}
			}
			return nil
		})
		r := w.start(t, p)
		r.reach(t, "ledger", w.scatter(t, 100))
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		rebuilt(t, r, 2)
		r.reach(t, "ledger", w.scatter(t, 40))
		bad.cure("s3")
		require.NoError(t, r.Retry(t.Context(), "ledger", account("s3")))
		require.Empty(t, parkedStreams(t, r, "ledger"))
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7}, told)
	})
}

func TestP6TheSwitchWaitsUntilThereIsADecisionAboutParkedStreamsThatHaveSideEffects(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.bad[1] = 24
		r := w.start(t, l.projection(projection.Options{Tries: 1, Then: projection.Park}))
		last := w.scatter(t, 100)
		r.reach(t, "ledger", last)
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		<-time.After(time.Minute)
		last = w.scatter(t, 20)
		r.reach(t, "ledger", last)
		<-time.After(2 * time.Second)
		s := r.status(t)
		require.Equal(t, 1, s.Version)
		require.Equal(t, projection.StateLive, s.Rebuild.State)
		require.Equal(t, last, s.Rebuild.Position)
		require.Equal(t, 1, strings.Count(w.log.String(), `msg="projection is not switched to another version for now" `+
			`projection=ledger version=2 error="streams are parked in the version in use, whose side effects would never be done: `+
			`call Retry or Drop"`))

		l.set(func() { delete(l.bad, 1) })
		require.NoError(t, r.Retry(t.Context(), "ledger", account("s3")))
		rebuilt(t, r, 2)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
		require.ElementsMatch(t, upTo(last), l.told(t), "each event's side effect happened once")
	})
}

func TestP6TheSwitchIsCalledOffIfAStreamIsParkedOnTheWayToTheBarrier(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.bad[1] = 98
		r := w.start(t, l.projection(projection.Options{BatchSize: 20, Tries: 8, Then: projection.Park})) // which takes longer than the begin
		last := w.scatter(t, 100)
		<-time.After(time.Second)
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		r.reach(t, "ledger", last)
		last = w.scatter(t, 20)
		r.reach(t, "ledger", last)
		require.Equal(t, 1, r.status(t).Version)
		l.set(func() { delete(l.bad, 1) })
		require.NoError(t, r.Retry(t.Context(), "ledger", account("s17")))
		rebuilt(t, r, 2)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
		require.ElementsMatch(t, upTo(last), l.told(t), "each event's side effect happened once")
	})
}
