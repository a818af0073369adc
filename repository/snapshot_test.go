package repository_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
			{name: "that Restore panics on", want: "at version 2: Restore panicked: assignment to entry in nil map",
				restore: func(*odd) error { map[string]int(nil)["x"]++; return nil }},
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
				snapshot: func() (any, error) { return forgotten{}, nil }},
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

func TestSnapshotPolicies(t *testing.T) {
	noon := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(version, snapshot int64, age time.Duration) repository.SnapshotState {
		return repository.SnapshotState{Version: version, SnapshotVersion: snapshot, Since: noon, Now: noon.Add(age)}
	}

	t.Run("EveryEvents counts from the latest snapshot", func(t *testing.T) {
		due := repository.EveryEvents(10)
		require.False(t, due(at(9, 0, 0)))
		require.True(t, due(at(10, 0, 0)))
		require.False(t, due(at(20, 11, 0)))
		require.True(t, due(at(21, 11, 0)))
		require.True(t, due(at(99, 11, 0)))
		require.True(t, repository.EveryEvents(1)(at(5, 4, 0)))
	})

	t.Run("EveryDuration measures from the latest snapshot or the first event", func(t *testing.T) {
		due := repository.EveryDuration(time.Hour)
		require.False(t, due(at(900, 0, time.Hour-1)))
		require.True(t, due(at(1, 0, time.Hour)))
	})

	t.Run("Never is never", func(t *testing.T) {
		require.False(t, repository.Never(at(1e9, 0, 1e9)))
	})

	t.Run("nonsense is refused where it is written", func(t *testing.T) {
		require.PanicsWithValue(t, "repository: EveryEvents(0): the number of events must be 1 or more; "+
			"Never takes no snapshots", func() { repository.EveryEvents(0) })
		require.PanicsWithValue(t, "repository: EveryDuration(-1s): the duration must be positive; "+
			"Never takes no snapshots", func() { repository.EveryDuration(-time.Second) })
	})
}

func TestSnapshotsFollowThePolicy(t *testing.T) {
	snapshotOf := func(t *testing.T, w *world, id string) int64 {
		t.Helper()
		snap, _, err := w.store.LoadSnapshot(t.Context(), stream(id))
		require.NoError(t, err)
		return snap.Version
	}

	onEvery(t, func(t *testing.T, w *world) {
		t.Run("every three events, by fresh loads and by one kept value alike", func(t *testing.T) {
			accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(3)})
			kept := newAccount("kept")
			want := []int64{0, 0, 3, 3, 3, 6, 6}
			for i := range want {
				update(t, accounts, "loaded", deposit(1))
				kept.deposit(1)
				require.NoError(t, accounts.Save(t.Context(), kept))
				require.Equal(t, want[i], snapshotOf(t, w, "loaded"), fmt.Sprintf("loaded, version %d", i+1))
				require.Equal(t, want[i], snapshotOf(t, w, "kept"), fmt.Sprintf("kept, version %d", i+1))
			}
		})

		t.Run("as soon as a save passes the number", func(t *testing.T) {
			accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(3)})
			update(t, accounts, "passes", func(a *account) error {
				a.Record(deposited{1}, deposited{1}, deposited{1}, deposited{1})
				return nil
			})
			require.Equal(t, int64(4), snapshotOf(t, w, "passes"))
		})

		t.Run("every 100 events by default", func(t *testing.T) {
			accounts := w.accounts(t, repository.Options{})
			a := newAccount("default")
			for range 99 {
				a.deposit(1)
			}
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Zero(t, snapshotOf(t, w, "default"))
			a.deposit(1)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, int64(100), snapshotOf(t, w, "default"))
		})

		t.Run("every hour by the store's clock", func(t *testing.T) {
			now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
			store := w.newStore(t, newRegistry(), &eventstore.Options{Now: func() time.Time { return now }})
			accounts, err := newAccounts(store, &repository.Options{Snapshots: repository.EveryDuration(time.Hour)})
			require.NoError(t, err)
			kept := newAccount("hourly kept")
			for i, want := range []int64{0, 0, 3, 3, 5} {
				update(t, accounts, "hourly", deposit(1))
				kept.deposit(1)
				require.NoError(t, accounts.Save(t.Context(), kept))
				require.Equal(t, want, snapshotOf(t, w, "hourly"), fmt.Sprintf("loaded, save %d", i+1))
				require.Equal(t, want, snapshotOf(t, w, "hourly kept"), fmt.Sprintf("kept, save %d", i+1))
				now = now.Add(30 * time.Minute)
			}
		})

		t.Run("none without a save", func(t *testing.T) {
			accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(1)})
			w.append(t, "none", deposited{1})
			require.NoError(t, accounts.Save(t.Context(), load(t, accounts, "none")))
			require.Zero(t, snapshotOf(t, w, "none"))
		})
	})
}
