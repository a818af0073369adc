package repository_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
)

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
