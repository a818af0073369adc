package projection_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
)

var errRefused = errors.New("the read model refused it")

// delivery is a call of a handler.
type delivery struct {
	position int64
	at       time.Time
}

// refusing returns a projection of the balances whose handler, after its write, refuses the event at a position as
// often as refusals says, and what it was given.
func (w *world) refusing(position int64, refusals int, opts *projection.Options) (*projection.Projection, *[]delivery) {
	var got []delivery
	p := projection.New("balances", opts)
	projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
		got = append(got, delivery{e.Position, time.Now()})
		if err := w.balances.add(ctx, e.Stream.ID, e.Payload.cents()); err != nil {
			return err
		}
		if e.Position == position && refusals > 0 {
			refusals--
			return errRefused
		}
		return nil
	})
	return p, &got
}

func positions(got []delivery) []int64 {
	all := make([]int64, len(got))
	for i, d := range got {
		all[i] = d.position
	}
	return all
}

func TestP2AFailedBatchIsHandedOutAgainAndTheFailingEventThenStandsAlone(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		last := w.deposit(t, 8)
		p, got := w.refusing(5, 4, nil)
		r := w.start(t, p)
		r.reach(t, "balances", last)
		require.NoError(t, r.stop())
		require.Equal(t, []int64{
			1, 2, 3, 4, 5, // fails in company
			1, 2, 3, 4, // what stands before it is committed
			5, 5, 5, 5, 6, 7, 8, // it fails alone, until it does not
		}, positions(*got))
		if w.atomic {
			w.requireReplayed(t)
		}
		require.Contains(t, w.log.String(), `msg="projection goes on after a failure" projection=balances position=5`)
	})
}

func TestP2WhatStandsBeforeTheFailingEventIsCommitted(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 8)
		p, _ := w.refusing(5, 1<<30, nil)
		r := w.start(t, p)
		r.reach(t, "balances", 4)
		synctest.Wait()
		require.Equal(t, int64(4), w.checkpoint(t, "balances"))
		s := r.status(t)
		require.Equal(t, projection.StateRetrying, s.State)
		require.ErrorIs(t, s.LastError, errRefused)
	})
}

func TestP2TheBackoffGrowsWithJitterUpToItsLimit(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		last := w.deposit(t, 1)
		p, got := w.refusing(1, 8, &projection.Options{MinBackoff: time.Second, MaxBackoff: 10 * time.Second})
		r := w.start(t, p)
		r.reach(t, "balances", last)
		require.NoError(t, r.stop())
		jitter := false
		for i, full := range []time.Duration{1, 2, 4, 8, 10, 10, 10, 10} {
			full *= time.Second
			wait := (*got)[i+1].at.Sub((*got)[i].at)
			require.LessOrEqual(t, wait, full)
			require.GreaterOrEqual(t, wait, full/2)
			jitter = jitter || wait != full && wait != full/2
		}
		require.True(t, jitter)
	})
}

func TestP2AfterItsTriesAProjectionStopsWhileTheOthersGoOn(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 8)
		poisoned, got := w.refusing(5, 4, &projection.Options{Tries: 3})
		names := projection.New("names", nil)
		projection.On(names, func(context.Context, projection.Event[renamed]) error { return nil })
		r := w.start(t, poisoned, names)

		err := r.WaitFor(t.Context(), "balances", 8)
		require.ErrorIs(t, err, projection.ErrStopped)
		require.ErrorIs(t, err, errRefused)
		require.Equal(t, projection.StateStopped, r.status(t).State)
		r.reach(t, "names", w.append(t, "late", renamed{"Ada"}))

		err = r.stop()
		require.EqualError(t, err, `projection: "balances" stopped at account.deposited, version 1 of stream "account-4" `+
			`(position 5), where the next run begins; tries: 3; the last one: the read model refused it`)
		var stopped *projection.StoppedError
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, int64(4), stopped.Position)
		require.Equal(t, account("4"), stopped.Event.Stream)
		require.Equal(t, 3, stopped.Tries)
		require.Equal(t, []int64{1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 5, 5}, positions(*got))

		again := w.start(t, poisoned) // it is mended by now
		again.reach(t, "balances", 9)
		if w.atomic {
			w.requireReplayed(t)
		}
	})
}

func TestP2RunReturnsWhenAllProjectionsHaveStopped(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 3)
		fail := func(name string) *projection.Projection {
			p := projection.New(name, &projection.Options{Tries: 2})
			projection.On(p, func(context.Context, projection.Event[any]) error { return errors.New(name + " is broken") })
			return p
		}
		err := w.start(t, fail("one"), fail("two")).wait()
		require.ErrorContains(t, err, "one is broken")
		require.ErrorContains(t, err, "two is broken")
	})
}

func TestP2APanicIsAnErrorWithItsStackInTheLog(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 1)
		p := projection.New("fragile", &projection.Options{Tries: 1})
		projection.On(p, func(context.Context, projection.Event[any]) error { return dereference(nil) })
		err := w.start(t, p).wait()
		require.ErrorContains(t, err, "the handler panicked: runtime error: invalid memory address")
		require.Contains(t, w.log.String(), "projection_test.dereference")
	})
}

func dereference(err *error) error { return *err }

func TestP2AnOutageOfTheDatabaseDoesNotCount(t *testing.T) {
	for name, outage := range map[string]func(f *faults, err func() error){
		"reading the checkpoint": func(f *faults, err func() error) { f.load = err },
		"reading the log": func(f *faults, err func() error) {
			f.read = func(driver.AllQuery, *driver.Page) error { return err() }
		},
		"saving": func(f *faults, err func() error) { f.save = func(_, _ int64) error { return err() } },
	} {
		t.Run(name, func(t *testing.T) {
			onEvery(t, func(t *testing.T, w *world) {
				last := w.deposit(t, 3)
				w.faults.set(func(f *faults) { outage(f, times(8, errLost)) })
				r := w.start(t, w.projection("balances", &projection.Options{Tries: 2}))
				r.reach(t, "balances", last)
				require.ErrorIs(t, r.status(t).LastError, errLost)
			})
		})
	}
}

func TestP2WhatAHandlerReturnsAlwaysCounts(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 1)
		p := projection.New("appending", &projection.Options{Tries: 3})
		projection.On(p, func(ctx context.Context, e projection.Event[entry]) error {
			_, err := w.store.Append(ctx, e.Stream, eventstore.NoStream, eventstore.Events(renamed{})...)
			return err
		})
		require.ErrorIs(t, w.start(t, p).wait(), eventstore.ErrConflict)
	})
}

func TestP2AnErrorThatWillNotPassStops(t *testing.T) {
	t.Run("after its tries, if it is not known", func(t *testing.T) {
		onEvery(t, func(t *testing.T, w *world) {
			w.deposit(t, 1)
			w.faults.set(func(f *faults) { f.read = func(driver.AllQuery, *driver.Page) error { return errBroken } })
			err := w.start(t, w.projection("balances", &projection.Options{Tries: 3})).wait()
			require.EqualError(t, err, `projection: "balances" stopped after position 0, where the next run begins; `+
				`tries: 3; the last one: eventstore: read the log after position 0: the disk is broken`)
		})
	})
	t.Run("at once, if the store is closed", func(t *testing.T) {
		onEvery(t, func(t *testing.T, w *world) {
			began := time.Now()
			r := w.start(t, w.projection("balances", nil))
			r.reach(t, "balances", w.deposit(t, 1))
			require.NoError(t, w.store.Close())
			require.ErrorIs(t, r.wait(), eventstore.ErrClosed)
			require.Zero(t, time.Since(began))
		})
	})
}

func TestP2AnEventThatDoesNotDecodeCountsAndWhatStandsBeforeItIsHandled(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		type text struct{ Cents string }
		other := serializer.NewRegistry(nil)
		serializer.Register[text](other, "account.deposited")
		w.deposit(t, 4)
		_, err := w.open(t, other, nil).Append(t.Context(), account("odd"), eventstore.NoStream, eventstore.Events(text{"many"})...)
		require.NoError(t, err)
		w.deposit(t, 4)

		began := time.Now()
		r := w.start(t, w.projection("balances", &projection.Options{Tries: 3}))
		r.reach(t, "balances", 4)
		require.Zero(t, time.Since(began))
		err = r.wait()
		var stopped *projection.StoppedError
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, 3, stopped.Tries)
		require.Equal(t, account("odd"), stopped.Event.Stream)
		require.Equal(t, int64(4), w.checkpoint(t, "balances"))
		require.ErrorAs(t, err, new(*eventstore.DecodeError))
		require.Equal(t, map[string]int{"0": 1, "1": 2, "2": 4, "3": 8}, w.balances.all(t))
	})
}

// panicking is a Protector that can't reveal anything.
type panicking struct{}

func (panicking) Protect(context.Context, []eventstore.Payload) error { return nil }
func (panicking) Reveal(context.Context, []eventstore.Payload) error  { panic("no keys") }

func TestP2APanicInAProtectorStopsTheProjectionAndNotTheProcess(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.deposit(t, 8)
		w.store = w.open(t, newRegistry(), &eventstore.Options{Protector: panicking{}})
		err := w.start(t, w.projection("balances", nil)).wait()
		require.ErrorIs(t, err, projection.ErrStopped)
		require.ErrorContains(t, err, "panic: no keys")
	})
}
