package projection_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/projection"
)

// ledger is a read model with a table for each version, and a view of the one that is in use.
type ledger struct {
	db *sqlx.DB

	mu     sync.Mutex
	bad    map[int]int64 // the position that a version's handler refuses
	end    map[int]int64 // the position from which on it refuses all
	refuse error         // what OnSwitch returns
}

func newLedger(t *testing.T, w *world) *ledger {
	t.Helper()
	l := &ledger{db: w.balances.(tableBalances).db, bad: map[int]int64{}, end: map[int]int64{}}
	l.db.MustExec(`CREATE TABLE ledger_v1 (account TEXT PRIMARY KEY, mix BIGINT NOT NULL, events BIGINT NOT NULL)`)
	l.db.MustExec(`CREATE TABLE effects (position BIGINT NOT NULL)`)
	l.db.MustExec(`CREATE VIEW ledger AS SELECT * FROM ledger_v1`)
	return l
}

func exec(ctx context.Context, statements ...string) error {
	tx, ok := sqltx.From(ctx)
	if !ok {
		return errors.New("the context carries no transaction")
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// projection returns the ledger's projection, with what its options say beside.
func (l *ledger) projection(opts projection.Options) *projection.Projection {
	opts.OnRebuild = func(ctx context.Context, version int) error {
		return exec(ctx, fmt.Sprintf(`CREATE TABLE ledger_v%d (account TEXT PRIMARY KEY, mix BIGINT NOT NULL, events BIGINT NOT NULL)`,
			version))
	}
	opts.OnSwitch = func(ctx context.Context, from, to int) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.refuse != nil {
			return l.refuse
		}
		return exec(ctx, `DROP VIEW ledger`, fmt.Sprintf(`CREATE VIEW ledger AS SELECT * FROM ledger_v%d`, to))
	}
	p := projection.New("ledger", &opts)
	projection.On(p, l.enter)
	projection.SideEffect(p, func(ctx context.Context, e projection.Event[entry]) error {
		return exec(ctx, fmt.Sprintf(`INSERT INTO effects VALUES (%d)`, e.Position))
	})
	return p
}

func (l *ledger) enter(ctx context.Context, e projection.Event[entry]) error {
	tx, _ := sqltx.From(ctx)
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO ledger_v%[1]d VALUES ($1, $2, 1)
ON CONFLICT (account) DO UPDATE SET mix = (ledger_v%[1]d.mix * 31 + $2) %% 1000000007, events = ledger_v%[1]d.events + 1`,
		projection.Version(ctx)), e.Stream.ID, e.Version)
	l.mu.Lock()
	defer l.mu.Unlock()
	version := projection.Version(ctx)
	if end, ends := l.end[version]; l.bad[version] == e.Position || ends && e.Position >= end {
		return errRefused
	}
	return err
}

func (l *ledger) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// told returns the positions for which the world was told, in order.
func (l *ledger) told(t *testing.T) (all []int64) {
	t.Helper()
	require.NoError(t, l.db.SelectContext(t.Context(), &all, `SELECT position FROM effects ORDER BY position`))
	return all
}

// table returns what a table or view of the ledger holds.
func (l *ledger) table(t *testing.T, name string) map[string]int {
	t.Helper()
	var rows []struct {
		Account     string
		Mix, Events int
	}
	require.NoError(t, l.db.SelectContext(t.Context(), &rows, `SELECT * FROM `+name))
	all := map[string]int{}
	for _, r := range rows {
		all[r.Account] = r.Mix
	}
	return all
}

// events returns how many events the readers' view has.
func (l *ledger) events(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, l.db.GetContext(t.Context(), &n, `SELECT coalesce(sum(events), 0) FROM ledger`))
	return n
}

func (w *world) mixture(t *testing.T) map[string]int {
	t.Helper()
	want := map[string]int{}
	for e, err := range w.store.All(t.Context(), 0, nil) {
		require.NoError(t, err)
		if _, ok := e.Payload.(entry); ok {
			want[e.Stream.ID] = mixed(want[e.Stream.ID], e.Version)
		}
	}
	return want
}

// rebuilt waits until a version is the live one.
func rebuilt(t *testing.T, r *running, version int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, r.WaitForVersion(ctx, "ledger", version))
}

func upTo(n int64) (all []int64) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

func TestP6ARebuildEqualsLiveAndReadersSeeTheOldOneUntilTheSwitch(t *testing.T) {
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint("with ", partitions), func(t *testing.T) {
			onSQL(t, func(t *testing.T, w *world) {
				l := newLedger(t, w)
				opts := projection.Options{Partitions: partitions, BatchSize: 20}
				r := w.start(t, l.projection(opts))
				two := w.process(t).start(t, l.projection(opts))
				r.reach(t, "ledger", w.scatter(t, 300))

				var wg sync.WaitGroup
				over := make(chan struct{})
				wg.Go(func() { // appends meanwhile
					for i := 0; ; i++ {
						select {
						case <-over:
							return
						case <-time.After(200 * time.Millisecond):
							w.scatter(t, 5)
						}
					}
				})
				seen := l.events(t)
				wg.Go(func() { // reads meanwhile
					for {
						select {
						case <-over:
							return
						case <-time.After(150 * time.Millisecond):
							now := l.events(t)
							require.GreaterOrEqual(t, now, seen, "readers are never taken back")
							seen = now
						}
					}
				})
				version, err := two.Rebuild(t.Context(), "ledger")
				require.NoError(t, err)
				require.Equal(t, 2, version)
				rebuilt(t, r, 2)
				<-time.After(3 * time.Second)
				close(over)
				wg.Wait()
				last := w.scatter(t, 20)
				two.reach(t, "ledger", last)
				require.Equal(t, w.mixture(t), l.table(t, "ledger"))
				require.Equal(t, l.table(t, "ledger_v2"), l.table(t, "ledger"))
				require.Equal(t, upTo(last), l.told(t), "each event's side effect happened once")
				require.Nil(t, r.status(t).Rebuild)
				require.Zero(t, r.status(t).Parked)

				_, err = r.Rebuild(t.Context(), "ledger") // and once more
				require.NoError(t, err)
				rebuilt(t, r, 3)
				require.Equal(t, w.mixture(t), l.table(t, "ledger"))
				require.Equal(t, upTo(last), l.told(t))
			})
		})
	}
}

func TestP6ARebuildIsGoneOnWithAfterCrashes(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		opts := projection.Options{Partitions: 2, BatchSize: 10}
		first := w.process(t)
		r := first.start(t, l.projection(opts))
		last := w.scatter(t, 400)
		r.reach(t, "ledger", last)
		require.NoError(t, r.stop())
		_, err := w.runner(t, nil, l.projection(opts)).Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		for range 2 {
			doomed := w.process(t)
			var commits atomic.Int64
			doomed.faults.set(func(f *faults) {
				f.commit = func() error {
					if commits.Add(1) == 9 {
						doomed.faults.kill()
						return errLost
					}
					return nil
				}
			})
			doomed.start(t, l.projection(opts))
			<-time.After(20 * time.Second)
		}
		left, err := w.runner(t, nil, l.projection(opts)).Status(t.Context()) // of one that does not run, and builds nothing meanwhile
		require.NoError(t, err)
		require.NotNil(t, left[0].Rebuild)
		built := func(p projection.PartitionStatus) bool { return p.Position > 0 }
		require.True(t, slices.ContainsFunc(left[0].Rebuild.Partitions, built), "what was built is not lost")
		require.Less(t, left[0].Rebuild.Position, last)
		heir := w.process(t).start(t, l.projection(opts))
		rebuilt(t, heir, 2)
		heir.reach(t, "ledger", w.scatter(t, 20))
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
		require.Equal(t, upTo(last+20), l.told(t))
	})
}

func TestP6ARebuildIsCancelledResumedAndDropped(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		opts := projection.Options{BatchSize: 10, RebuildFailures: &projection.Policies{
			Handler: projection.Policy{Tries: 1 << 30, MaxBackoff: time.Second}}}
		l.bad[2] = 150
		r := w.start(t, l.projection(opts))
		last := w.scatter(t, 300)
		r.reach(t, "ledger", last)
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		<-time.After(5 * time.Second)
		again, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		require.Equal(t, 2, again, "the one that is under way")

		require.NoError(t, r.CancelRebuild(t.Context(), "ledger"))
		<-time.After(2 * time.Second)
		s := r.status(t)
		require.Equal(t, projection.StatePaused, s.Rebuild.State)
		require.True(t, s.Rebuild.Cancelled)
		require.Equal(t, int64(149), s.Rebuild.Position)
		require.ErrorIs(t, s.Rebuild.LastError, errRefused)
		require.Equal(t, projection.StateLive, s.State)
		l.set(func() { delete(l.bad, 2) })
		<-time.After(time.Minute)
		require.Equal(t, int64(149), r.status(t).Rebuild.Position)

		_, err = r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		rebuilt(t, r, 2)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))

		l.set(func() { l.bad[3] = 7 })
		_, err = r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		dropped, err := r.DropRebuild(t.Context(), "ledger")
		require.NoError(t, err)
		require.Equal(t, 3, dropped)
		<-time.After(2 * time.Second)
		require.Nil(t, r.status(t).Rebuild)
		require.EqualError(t, r.WaitForVersion(t.Context(), "ledger", 3), `projection: wait for version 3 of "ledger", whose version 2 `+
			`is in use: it is not being built`)
		require.ErrorContains(t, r.CancelRebuild(t.Context(), "ledger"), `cancel the rebuild of "ledger": it is not being built`)
		version, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		require.Equal(t, 4, version)
		rebuilt(t, r, 4)
		require.Equal(t, upTo(last), l.told(t))
	})
}

func TestP6TheOldVersionStaysInUseUntilOnSwitchSucceeds(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.refuse = errBroken
		r := w.start(t, l.projection(projection.Options{}), w.projection("balances", nil))
		r.reach(t, "ledger", w.scatter(t, 100))
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		<-time.After(10 * time.Second)
		w.scatter(t, 100) // which is for the new version to handle
		<-time.After(time.Minute)
		require.Equal(t, 1, r.status(t).Version)
		require.Equal(t, l.table(t, "ledger_v1"), l.table(t, "ledger"))
		require.Equal(t, upTo(100), l.told(t), "both versions wait")
		require.Contains(t, w.log.String(), `another try follows" projection=ledger error="`)
		r.reach(t, "balances", w.append(t, "s1", deposited{1}))
		l.set(func() { l.refuse = nil })
		rebuilt(t, r, 2)
		last := w.append(t, "s1", deposited{1})
		r.reach(t, "ledger", last)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
		require.Equal(t, upTo(last), l.told(t))
	})
}

func TestP6APartitionThatLagsAtTheSwitchDoesItsSideEffectsUpToTheBarrier(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.bad[1] = 42
		r := w.start(t, l.projection(projection.Options{Partitions: 2, BatchSize: 15, Tries: 1 << 30, MaxBackoff: time.Second}))
		w.scatter(t, 100)
		<-time.After(5 * time.Second)
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		<-time.After(10 * time.Second)
		last := w.scatter(t, 100) // beyond the barrier
		<-time.After(10 * time.Second)
		require.Equal(t, 1, r.status(t).Version, "the old version has side effects to do yet")
		l.set(func() { delete(l.bad, 1) })
		rebuilt(t, r, 2)
		r.reach(t, "ledger", last)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
		require.Equal(t, upTo(last), l.told(t))
	})
}

func TestP6AVersionThatHasStoppedIsReplacedByOneThatDoesNot(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.bad[1] = 42
		last := w.scatter(t, 100)
		r := w.start(t, l.projection(projection.Options{Tries: 1, BatchSize: 20}), names(new(int)))
		require.ErrorIs(t, r.WaitFor(t.Context(), "ledger", last), projection.ErrStopped)
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		rebuilt(t, r, 2)
		r.reach(t, "ledger", last)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
		require.Regexp(t, `msg="projection has side effects that are never done: the version before had stopped" `+
			`projection=ledger version=1 partition=0/1 after=41 "up to"=\d+`, w.log.String())
	})
}

func TestP6ARebuildHasPoliciesAndParkedStreamsOfItsOwn(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		l.bad[2] = 24
		r := w.start(t, l.projection(projection.Options{Tries: 1,
			RebuildFailures: &projection.Policies{Handler: projection.Policy{Then: projection.Park}}}))
		r.reach(t, "ledger", w.scatter(t, 100))
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		rebuilt(t, r, 2)
		all, err := r.Parked(t.Context(), "ledger")
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, 4, all[0].Waiting)
		l.set(func() { delete(l.bad, 2) })
		require.NoError(t, r.Retry(t.Context(), "ledger", account("s3")))
		<-time.After(2 * time.Second)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
	})
}

func TestP6PartitionsMayChangeWhileAVersionIsBuilt(t *testing.T) {
	onSQL(t, func(t *testing.T, w *world) {
		l := newLedger(t, w)
		opts := projection.Options{Partitions: 2, BatchSize: 10, RebuildFailures: &projection.Policies{
			Handler: projection.Policy{Tries: 1 << 30, MaxBackoff: time.Second}}}
		l.bad[2] = 150
		r := w.start(t, l.projection(opts))
		last := w.scatter(t, 300)
		r.reach(t, "ledger", last)
		_, err := r.Rebuild(t.Context(), "ledger")
		require.NoError(t, err)
		<-time.After(5 * time.Second)
		opts.Partitions = 5
		more := w.process(t).start(t, l.projection(opts))
		<-time.After(5 * time.Second)
		s := more.status(t)
		require.Len(t, s.Partitions, 5)
		require.Len(t, s.Rebuild.Partitions, 5)
		l.set(func() { delete(l.bad, 2) })
		rebuilt(t, r, 2)
		last = w.scatter(t, 20)
		r.reach(t, "ledger", last)
		require.Equal(t, w.mixture(t), l.table(t, "ledger"))
		require.Equal(t, upTo(last), l.told(t))
	})
}

func TestP8StatusTellsHowFarARebuildHasComeFromAnyProcess(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		build := func() *projection.Projection {
			p := projection.New("slow", &projection.Options{BatchSize: 10,
				OnSwitch: func(context.Context, int, int) error { return nil }})
			projection.On(p, func(ctx context.Context, _ projection.Event[any]) error {
				if projection.Rebuilding(ctx) {
					<-time.After(time.Second)
				}
				return nil
			})
			return p
		}
		r := w.start(t, build())
		r.reach(t, "slow", w.scatter(t, 300))
		elsewhere := w.process(t).runner(t, nil, build())
		_, err := elsewhere.Rebuild(t.Context(), "slow")
		require.NoError(t, err)
		<-time.After(100 * time.Second)
		synctest.Wait()
		for _, one := range []*projection.Runner{r.Runner, elsewhere} {
			all, err := one.Status(t.Context())
			require.NoError(t, err)
			b := all[0].Rebuild
			require.Equal(t, 2, b.Version)
			require.Equal(t, projection.StateCatchingUp, b.State)
			require.InDelta(t, 90, b.Position, 10)
			require.Equal(t, int64(300), b.Progress.Total)
			require.InDelta(t, 90, b.Progress.Done, 10)
			require.InDelta(t, 1, b.Progress.Rate, .1)
			require.InDelta(t, 210, b.Progress.Left.Seconds(), 20)
			require.Equal(t, projection.StateLive, all[0].State)
		}
	})
}

func TestARebuildNeedsOnSwitch(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		r := w.runner(t, nil, w.projection("balances", nil))
		_, err := r.Rebuild(t.Context(), "balances")
		require.EqualError(t, err, `projection: rebuild "balances": it has no OnSwitch, so handlers of both versions would `+
			`write the same tables: have them write tables by Version, and switch in OnSwitch`)
		_, err = r.Rebuild(t.Context(), "other")
		require.ErrorIs(t, err, projection.ErrUnknown)
	})
}
