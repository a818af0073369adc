package projection_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/upcaster"
)

const lease = 15 * time.Second // the default

// strict has a database end each transaction in which it hears nothing for the time of a lease.
func (w *world) strict() {
	var began atomic.Int64
	outlasted := func() error {
		if time.Since(time.Unix(0, began.Load())) >= lease {
			return errLost
		}
		return nil
	}
	w.faults.set(func(f *faults) {
		f.begin = func() error { began.Store(time.Now().UnixNano()); return nil }
		f.save = func(from, to int64) error {
			if to > from {
				return nil
			}
			return outlasted() // it is saved again, when the handlers have come less far
		}
		f.commit = outlasted
	})
}

// mailing returns a projection that takes its time with each event, and the positions for which it did.
func mailing(opts *projection.Options, takes func(position int64) time.Duration) (p *projection.Projection, sent func() []int64) {
	var mu sync.Mutex
	var all []int64
	p = projection.New("mails", opts)
	projection.SideEffect(p, func(_ context.Context, e projection.Event[entry]) error {
		<-time.After(takes(e.Position))
		mu.Lock()
		defer mu.Unlock()
		all = append(all, e.Position)
		return nil
	})
	return p, func() []int64 {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func TestP1ABatchOfSlowHandlersIsCommittedBeforeItsLeaseIsOver(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w.strict()
		last := w.deposit(t, 50)
		p, sent := mailing(nil, func(int64) time.Duration { return time.Second })
		r := w.start(t, p)
		r.reach(t, "mails", last)
		require.Equal(t, upTo(last), sent(), "each of them once")
		require.NoError(t, r.stop())
		require.Equal(t, last, w.checkpoint(t, "mails"))
	})
}

func TestP1ABatchThatIsEndedEarlyIsNotEndedBetweenThePartsOfAnEvent(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w.strict()
		w.move(t, 10, func(upcaster.Event) string { return `{}` })
		p, sent := mailing(nil, func(int64) time.Duration { return 5 * time.Second })
		r := w.start(t, p)
		r.reach(t, "mails", 2)
		require.Equal(t, []int64{1, 1, 2, 2}, sent())
		r.reach(t, "mails", 10)
		require.Len(t, sent(), 20)
	})
}

func TestP2AParkedStreamOfSlowHandlersIsGoneOnWithInStepsThatItsLeaseHasTimeFor(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w.strict()
		bad := newPoison("a", 1)
		calls := 0
		p := projection.New("mails", &projection.Options{Tries: 1, Then: projection.Park})
		projection.On(p, func(_ context.Context, e projection.Event[entry]) error {
			<-time.After(time.Second)
			calls++
			return bad.taste(&e.Event)
		})
		last := w.append(t, "a", many(50)...)
		r := w.start(t, p)
		r.reach(t, "mails", last)
		bad.cure("a")
		before := calls
		require.NoError(t, r.Retry(t.Context(), "mails", account("a")))
		<-time.After(2 * time.Minute)
		require.Empty(t, parkedStreams(t, r, "mails"))
		require.Equal(t, 50, calls-before)
	})
}

func TestP2ACallThatOutlastsItsLeaseFailsAndSaysWhy(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w.strict()
		last := w.deposit(t, 8)
		p, _ := mailing(&projection.Options{Tries: 2}, func(position int64) time.Duration {
			if position == 5 {
				return 20 * time.Second
			}
			return 0
		})
		r := w.start(t, p)
		var stopped *projection.StoppedError
		require.ErrorAs(t, r.WaitFor(t.Context(), "mails", last), &stopped)
		require.EqualValues(t, 5, stopped.Event.Position)
		require.EqualValues(t, 4, stopped.Position)
		require.Equal(t, 2, stopped.Tries)
		require.EqualError(t, stopped.Err, "a handler took 20s, and a database may end the transaction of a process that it does "+
			"not hear of for 15s, the option Lease: do less at a time or have a longer lease: the cable is out: "+
			"the database is unavailable")
	})
}

func TestP2ACallForABatchThatOutlastsItsLeaseIsForFewerEventsUntilTheyAreQuick(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		w.strict()
		last := w.append(t, "a", many(800)...)
		var sizes []int
		p := projection.New("bulk", &projection.Options{BatchSize: 100})
		projection.OnBatch(p, func(_ context.Context, events []eventstore.Event) error {
			if events[0].Position <= 400 {
				<-time.After(time.Duration(len(events)) * time.Second / 4)
			}
			sizes = append(sizes, len(events))
			return nil
		})
		r := w.start(t, p)
		r.reach(t, "bulk", last)
		require.Equal(t, slices.Concat([]int{100, 50}, each(14, 25), []int{25, 50, 100, 100, 100, 25}), sizes)
	})
}
