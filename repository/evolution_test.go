package repository_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// oldState is an account's state as an older program stored it, as account.state v1.
type oldState struct {
	Pence int
	Trail uint32
}

// takeOldSnapshot stores the snapshot that the older program took of an account.
func (w *world) takeOldSnapshot(t *testing.T, a *account) {
	t.Helper()
	reg := serializer.NewRegistry(nil)
	serializer.Register[oldState](reg, "account.state")
	old := w.newStore(t, reg, nil)
	require.NoError(t, old.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: stream(a.ID()), Version: a.Version(),
		State: oldState{Pence: a.state.Balance, Trail: a.state.Trail}}))
}

// update gives the world a program with account.state v2, and these steps.
func (w *world) update(t *testing.T, steps ...upcaster.Step) {
	t.Helper()
	reg := serializer.NewRegistry(nil)
	serializer.Register[deposited](reg, "account.deposited", serializer.Version(2))
	serializer.Register[withdrawn](reg, "account.withdrawn")
	serializer.Register[accountState](reg, "account.state", serializer.Version(2))
	chain, err := upcaster.New(steps...)
	require.NoError(t, err)
	w.store = w.newStore(t, reg, &eventstore.Options{Upcasters: chain})
}

func TestS6ASnapshotOfAnEarlierSchemaVersion(t *testing.T) {
	v1, v2 := upcaster.V("account.state", 1), upcaster.V("account.state", 2)
	for name, c := range map[string]struct {
		steps    []upcaster.Step
		snapshot int64 // the version that a load starts from
		reason   string
	}{
		"is carried forward by the steps that there are": {[]upcaster.Step{upcaster.Struct(v1, v2,
			func(old oldState) (accountState, error) {
				return accountState{Balance: old.Pence, Trail: old.Trail}, nil
			})},
			2, ""},
		"is discarded without a step": {nil, 0, "an upcaster step from v1 is missing"},
		"is discarded where a step fails": {[]upcaster.Step{upcaster.Map(v1, v2, func(map[string]any) error { panic("no idea") })},
			0, "the step from account.state v1 to account.state v2: panic: no idea"},
		"is discarded where it is dropped on purpose": {[]upcaster.Step{upcaster.Drop(v1)}, 0, "upcasters make nothing of it"},
	} {
		t.Run(name, func(t *testing.T) {
			onEvery(t, func(t *testing.T, w *world) {
				never := repository.Options{Snapshots: repository.Never}
				a := update(t, w.accounts(t, never), "7", func(a *account) error { a.deposit(5); return a.withdraw(2) })
				w.takeOldSnapshot(t, a)
				w.append(t, "7", deposited{Amount: 3})
				w.update(t, c.steps...)

				accounts := w.accounts(t, never)
				sameAccount(t, w.replayed(t, "7"), load(t, accounts, "7"))
				loaded := w.lastLoad(t)
				require.Equal(t, c.snapshot, loaded.SnapshotVersion)
				require.EqualValues(t, 3-c.snapshot, loaded.Replayed)
				if c.reason == "" {
					require.NoError(t, loaded.Discarded)
				} else {
					require.ErrorContains(t, loaded.Discarded, c.reason)
				}

				a = update(t, w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(1)}), "7", deposit(1))
				sameAccount(t, a, load(t, accounts, "7"))
				require.Equal(t, int64(4), w.lastLoad(t).SnapshotVersion, "the next snapshot is of the new version")
			})
		})
	}
}
