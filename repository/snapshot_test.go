package repository_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/repository"
)

// odd is an account whose snapshots may misbehave.
type odd struct {
	*account
	snapshot func() (any, error)
	restore  func(o *odd) error
}

func (o *odd) Snapshot() (any, error) {
	if o.snapshot != nil {
		return o.snapshot()
	}
	return o.account.Snapshot()
}

func (o *odd) Restore(state any) error {
	if err := o.account.Restore(state); err != nil || o.restore == nil {
		return err
	}
	return o.restore(o)
}

func (w *world) odds(t *testing.T, template odd, opts repository.Options) *repository.Repository[*odd] {
	t.Helper()
	w.listen(&opts)
	odds, err := repository.New(w.store, "account", func(id string) *odd {
		o := template
		o.account = newAccount(id)
		return &o
	}, &opts)
	require.NoError(t, err)
	return odds
}

func TestS6AnOlderSnapshotNeverReplacesANewerOne(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(1)})
		w.drv.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
			w.drv.saveSnapshot = nil
			update(t, accounts, "7", deposit(6)) // another writer, while this one is about to store its snapshot
			return w.drv.backend.SaveSnapshot(ctx, s)
		}
		update(t, accounts, "7", deposit(5))

		sameAccount(t, w.replayed(t, "7"), load(t, accounts, "7"))
		require.Equal(t, int64(2), w.lastLoad(t).SnapshotVersion)
	})
}

func TestS6ABadSnapshotIsDiscarded(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		stored := func(typ string, schema int, data string) func(ctx context.Context, s driver.StreamID) (driver.Snapshot, bool, error) {
			return func(context.Context, driver.StreamID) (driver.Snapshot, bool, error) {
				return driver.Snapshot{Stream: stream("7"), Version: 2, Type: typ, Schema: schema,
					ContentType: "application/json", Data: []byte(data)}, true, nil
			}
		}
		cases := []struct {
			name, want string
			stored     func(ctx context.Context, s driver.StreamID) (driver.Snapshot, bool, error)
			restore    func(o *odd) error
		}{
			{name: "of another schema version", want: "account.state v2", stored: stored("account.state", 2, `{"Balance":99}`)},
			{name: "of an unknown type", want: "account.picture v1", stored: stored("account.picture", 1, `{}`)},
			{name: "with damaged bytes", want: "account.state v1", stored: stored("account.state", 1, `{"Bal`)},
			{name: "of another type than the aggregate's", want: "can't be restored from a repository_test.deposited",
				stored: stored("account.deposited", 2, `{}`)},
			{name: "that Restore refuses halfway", want: "at version 2: half of it is missing",
				restore: func(*odd) error { return errors.New("half of it is missing") }},
			{name: "that Restore panics on", want: "at version 2: Restore panicked: no room for it",
				restore: func(*odd) error { panic("no room for it") }},
			{name: "by which Restore overwrites the root", want: "at version 2: aggregate: Init was not called",
				restore: func(o *odd) error { *o.account = account{}; return nil }},
			{name: "by which Restore records", want: "recorded events while it was made",
				restore: func(o *odd) error { o.deposit(1); return nil }},
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				id := strings.ReplaceAll(c.name, " ", "_")
				update(t, w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(1)}), id, func(a *account) error {
					a.deposit(5)
					return a.withdraw(2)
				})
				w.append(t, id, deposited{1})
				w.drv.loadSnapshot = c.stored
				defer func() { w.drv.loadSnapshot = nil }()

				o, err := w.odds(t, odd{restore: c.restore}, repository.Options{}).Load(t.Context(), id)
				require.NoError(t, err)
				sameAccount(t, w.replayed(t, id), o.account)
				require.Empty(t, o.Pending())
				loaded := w.lastLoad(t)
				require.ErrorContains(t, loaded.Discarded, c.want)
				require.ErrorContains(t, loaded.Discarded, "account-")
				require.Zero(t, loaded.SnapshotVersion)
				require.Equal(t, 3, loaded.Replayed)
				require.Contains(t, w.logged(), "level=WARN msg=\"tidemark: discarded a snapshot, replaying the whole stream\" "+
					"stream=account-"+id)
			})
		}

		t.Run("and the next save may take one in its place", func(t *testing.T) {
			w.append(t, "next", deposited{5})
			require.NoError(t, w.store.SaveSnapshot(t.Context(),
				eventstore.Snapshot{Stream: stream("next"), Version: 1, State: rained{}}))
			accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(2)})
			a := update(t, accounts, "next", deposit(1))
			require.Error(t, w.lastLoad(t).Discarded)
			sameAccount(t, a, load(t, accounts, "next"))
			require.Equal(t, int64(2), w.lastLoad(t).SnapshotVersion)
		})

		t.Run("but a database that fails to load one fails the load", func(t *testing.T) {
			w.append(t, "fails", deposited{5})
			w.drv.loadSnapshot = func(context.Context, driver.StreamID) (driver.Snapshot, bool, error) {
				return driver.Snapshot{}, false, errBroken
			}
			defer func() { w.drv.loadSnapshot = nil }()
			_, err := w.accounts(t, repository.Options{}).Load(t.Context(), "fails")
			require.ErrorIs(t, err, errBroken)
		})
	})
}

// secondly has nothing to show to New, and then the state.
func secondly(state any) func() (any, error) {
	var asked atomic.Bool
	return func() (any, error) {
		if asked.CompareAndSwap(false, true) {
			return nil, nil
		}
		return state, nil
	}
}

func TestS6AFailedSnapshotFailsNoSave(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		cases := []struct {
			name, want string
			save       func(ctx context.Context, s driver.Snapshot) error
			snapshot   func() (any, error)
			policy     repository.SnapshotPolicy
		}{
			{name: "the database refuses", want: "the disk is broken",
				save: func(context.Context, driver.Snapshot) error { return errBroken }},
			{name: "Snapshot returns an error", want: "not today",
				snapshot: func() (any, error) { return nil, errors.New("not today") }},
			{name: "Snapshot panics", want: "taking a snapshot panicked: no film",
				snapshot: func() (any, error) { panic("no film") }},
			{name: "the state is of no registered type", want: "repository_test.forgotten",
				snapshot: secondly(forgotten{})},
			{name: "the policy panics", want: "taking a snapshot panicked: no rule",
				policy: func(repository.SnapshotState) bool { panic("no rule") }},
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				if c.policy == nil {
					c.policy = repository.EveryEvents(1)
				}
				w.drv.saveSnapshot = c.save
				defer func() { w.drv.saveSnapshot = nil }()
				id := strings.ReplaceAll(c.name, " ", "_")
				odds := w.odds(t, odd{snapshot: c.snapshot}, repository.Options{Snapshots: c.policy})
				o, err := odds.Update(t.Context(), id, func(o *odd) error { o.deposit(5); return nil })
				require.NoError(t, err)
				require.Empty(t, o.Pending())
				require.Equal(t, int64(1), o.Version())

				_, found, err := w.store.LoadSnapshot(t.Context(), stream(id))
				require.NoError(t, err)
				require.False(t, found)
				require.Contains(t, w.logged(), "level=WARN msg=\"tidemark: took no snapshot; the events are saved\" "+
					"stream=account-"+id+" version=1 error=")
				require.Contains(t, w.logged(), c.want)
			})
		}
	})
}

func TestS5NoSnapshotIsTakenOfHalfAChange(t *testing.T) {
	w := newWorld(t, memory.New())
	accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(1)})
	a, err := accounts.Update(t.Context(), "7", func(a *account) error {
		a.deposit(5)
		require.Panics(t, func() { a.Record(doubled{}) })
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 10, a.state.Balance)
	require.Contains(t, w.logged(), "took no snapshot; the events are saved")
	require.Contains(t, w.logged(), "apply panicked on an event that was not kept")
	require.Equal(t, 5, load(t, accounts, "7").state.Balance)
}

// withoutSnapshots has none of a driver's capabilities.
type withoutSnapshots struct{ driver.Store }

func TestADriverWithoutSnapshotsReplaysAll(t *testing.T) {
	w := newWorld(t, memory.New())
	var err error
	w.store, err = eventstore.New(withoutSnapshots{memory.New()}, newRegistry(), nil)
	require.NoError(t, err)
	accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(1)})
	for range 3 {
		update(t, accounts, "7", deposit(5))
	}
	sameAccount(t, w.replayed(t, "7"), load(t, accounts, "7"))
	require.Equal(t, 3, w.lastLoad(t).Replayed)
	require.Equal(t, 1, strings.Count(w.logged(), "the driver keeps no snapshots"))
}

func TestAnAggregateThatTakesNoSnapshots(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		w.drv.loadSnapshot = func(context.Context, driver.StreamID) (driver.Snapshot, bool, error) {
			return driver.Snapshot{}, false, errBroken
		}
		plains, err := repository.New(w.store, "account", newPlain, nil)
		require.NoError(t, err)
		for range 150 {
			_, err := plains.Update(t.Context(), "7", func(p *plain) error { p.Record(deposited{1}); return nil })
			require.NoError(t, err)
		}
		p, err := plains.Load(t.Context(), "7")
		require.NoError(t, err)
		require.Equal(t, 150, p.balance)
	})
}
