package projection_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/projection"
)

func TestP3OfSeveralRunnersOneOwnsAProjection(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		one := w.start(t, w.projection("balances", nil))
		one.reach(t, "balances", w.deposit(t, 10))
		elsewhere := w.process(t)
		two := elsewhere.start(t, elsewhere.projection("balances", nil))
		last := w.deposit(t, 10)
		two.reach(t, "balances", last)
		w.requireReplayed(t)
		<-time.After(time.Minute)
		w.deposit(t, 10)
		one.reach(t, "balances", last+10)

		mine, theirs := one.status(t), two.status(t)
		require.Equal(t, mine.Owner, theirs.Owner)
		require.Equal(t, projection.Tenures{Taken: 1}, mine.Tenures)
		require.Equal(t, projection.Tenures{Denied: 1}, theirs.Tenures)
		require.Contains(t, w.log.String(), `msg="projection begins" projection=balances partition=0/1 owner=`+mine.Owner+` token=1 position=0`)
		require.Contains(t, elsewhere.log.String(), `msg="projection is run by another runner" projection=balances partition=0/1 owner=`+mine.Owner)
		require.Equal(t, projection.StateLive, theirs.State)
		w.requireReplayed(t)
	})
}

func TestP3ACleanStopHandsOverAtOnce(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		one := w.start(t, w.projection("balances", nil))
		one.reach(t, "balances", w.deposit(t, 10))
		elsewhere := w.process(t)
		two := elsewhere.start(t, elsewhere.projection("balances", nil))
		<-time.After(time.Second) // it has found somebody in the way
		require.NoError(t, one.stop())
		began := time.Now()
		two.reach(t, "balances", w.deposit(t, 10))
		require.LessOrEqual(t, time.Since(began), 1100*time.Millisecond, "a poll, and what it takes to see it")
		require.Equal(t, projection.Tenures{Taken: 1, Denied: 1}, two.status(t).Tenures)
		w.requireReplayed(t)
	})
}

func TestP3ADeadOwnerIsReplacedWithinItsLease(t *testing.T) {
	for _, lease := range []time.Duration{0, 4 * time.Second} {
		t.Run(fmt.Sprint("of ", lease), func(t *testing.T) {
			onEvery(t, func(t *testing.T, w *world) {
				doomed, heir := w.process(t), w.process(t)
				opts := &projection.RunnerOptions{Lease: lease}
				one := start(t, doomed.runner(t, opts, w.projection("balances", nil)))
				one.reach(t, "balances", w.deposit(t, 10))
				<-time.After(time.Minute) // which it outlives by being idle
				two := start(t, heir.runner(t, opts, w.projection("balances", nil)))
				two.reach(t, "balances", 10)
				doomed.faults.kill()
				began := time.Now()
				last := w.deposit(t, 10)
				two.reach(t, "balances", last)
				within := 15 * time.Second
				if lease > 0 {
					within = lease
				}
				require.LessOrEqual(t, time.Since(began), within+100*time.Millisecond)
				require.GreaterOrEqual(t, time.Since(began), within/3)
				w.requireReplayed(t)
			})
		})
	}
}

func TestP3AnOwnerThatSleptPastItsLeaseCannotCommit(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		sleeper, heir := w.process(t), w.process(t)
		one := sleeper.start(t, w.projection("balances", nil))
		one.reach(t, "balances", w.deposit(t, 10))
		two := heir.start(t, w.projection("balances", nil))
		two.reach(t, "balances", 10)

		thaw := sleeper.faults.freeze()
		last := w.deposit(t, 10) // the sleeper is about to handle them
		two.reach(t, "balances", last)
		owner := two.status(t).Owner
		thaw()
		<-time.After(time.Minute)
		last = w.deposit(t, 10)
		two.reach(t, "balances", last)
		one.reach(t, "balances", last)
		require.Equal(t, owner, one.status(t).Owner)
		require.Equal(t, int64(1), one.status(t).Tenures.Lost)
		require.Contains(t, sleeper.log.String(), "projection lost its lease to another runner")
		w.requireReplayed(t)
	})
}

func TestP3AnOwnerThatSleptWhileOthersCameAndWentBeginsAnew(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		sleeper, heir := w.process(t), w.process(t)
		seen := newSequence()
		one := sleeper.start(t, seen.projection("seq", nil))
		one.reach(t, "seq", w.scatter(t, 20))
		thaw := sleeper.faults.freeze()
		two := heir.start(t, seen.projection("seq", nil))
		two.reach(t, "seq", w.scatter(t, 20))
		require.NoError(t, two.stop()) // so that the sleeper finds the lease free
		thaw()
		last := w.scatter(t, 20)
		one.reach(t, "seq", last)
		seen.requireWhole(t, w)
		require.Equal(t, projection.Tenures{Taken: 2, Lost: 1}, one.status(t).Tenures)
	})
}

func TestP5ARunnerThatLooksBeforeAChangeOfPartitionsAndTakesAfterItHandlesNothing(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		seen := newSequence()
		first := w.start(t, seen.projection("seq", nil))
		first.reach(t, "seq", w.scatter(t, 20))
		require.NoError(t, first.stop())
		slow := w.process(t)
		changed := false
		var other *running
		slow.faults.set(func(f *faults) {
			f.load = func() error {
				if !changed { // it has looked, and is about to take the only partition
					changed = true
					other = w.process(t).start(t, seen.projection("seq", &projection.Options{Partitions: 3}))
					other.reach(t, "seq", w.scatter(t, 20))
					require.NoError(t, other.stop())
				}
				return nil
			}
		})
		r := slow.start(t, seen.projection("seq", nil))
		<-time.After(5 * time.Second)
		r.reach(t, "seq", w.scatter(t, 20))
		seen.requireWhole(t, w)
		require.True(t, changed)
	})
}

func TestP3ALeaseOutlastsAnOutageOfItsOwnAndABackoffThatIsLonger(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		last := w.deposit(t, 3)
		p, got := w.refusing(2, 4, &projection.Options{MinBackoff: time.Minute, MaxBackoff: time.Minute})
		one := w.start(t, p)
		synctest.Wait()
		elsewhere := w.process(t)
		two := elsewhere.start(t, elsewhere.projection("balances", nil))
		one.reach(t, "balances", last)
		require.Equal(t, []int64{1, 2, 1, 2, 2, 2, 2, 3}, positions(*got))
		require.Zero(t, two.status(t).Tenures.Taken)
		require.Zero(t, one.status(t).Tenures.Lost)
	})
}

func TestP3ProjectionsAreSpreadEvenlyOverTheRunnersThatComeAndGo(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		runners := map[string]*running{}
		join := func() string {
			p := w.process(t)
			var ps []*projection.Projection
			for i := range 4 {
				ps = append(ps, p.projection(fmt.Sprint("balances", i), &projection.Options{Partitions: 4}))
			}
			r := p.start(t, ps...)
			name := fmt.Sprint("runner ", len(runners))
			runners[name] = r
			return name
		}
		spread := func() map[string]int {
			<-time.After(10 * time.Second)
			held := map[string]int{}
			for _, r := range runners {
				all, err := r.Status(t.Context())
				require.NoError(t, err)
				for _, s := range all {
					for _, p := range s.Partitions {
						require.NotEmpty(t, p.Owner)
						held[p.Owner]++
					}
				}
				break
			}
			return held
		}
		sizes := func(held map[string]int) (all []int) {
			for _, n := range held {
				all = append(all, n)
			}
			return all
		}
		first := join()
		require.ElementsMatch(t, []int{16}, sizes(spread()))
		join()
		require.ElementsMatch(t, []int{8, 8}, sizes(spread()))
		join()
		require.ElementsMatch(t, []int{6, 5, 5}, sizes(spread()))
		before := spread()
		require.Equal(t, before, spread(), "and stay where they are")
		require.NoError(t, runners[first].stop())
		delete(runners, first)
		require.ElementsMatch(t, []int{8, 8}, sizes(spread()))
	})
}

func TestP3ARunnerTakesOnlyItsOwnProjectionsAndAllOfThem(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		one := w.start(t, w.projection("a", nil), w.projection("b", nil), w.projection("c", nil))
		last := w.deposit(t, 5)
		one.reach(t, "c", last)
		elsewhere := w.process(t)
		two := elsewhere.start(t, elsewhere.projection("c", nil), elsewhere.projection("d", nil), elsewhere.projection("e", nil))
		two.reach(t, "e", last)
		<-time.After(10 * time.Second)
		owners := func(r *running) (all []string) {
			status, err := r.Status(t.Context())
			require.NoError(t, err)
			for _, s := range status {
				all = append(all, s.Owner)
			}
			return all
		}
		here, there := owners(one), owners(two)
		require.Equal(t, here[0], here[1])
		require.Equal(t, there[1], there[2])
		require.NotEqual(t, here[0], there[1])
		require.Contains(t, []string{here[0], there[1]}, here[2])
		require.NotContains(t, append(here, there...), "")
	})
}
