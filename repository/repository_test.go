package repository_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
)

func TestNew(t *testing.T) {
	store := newWorld(t, memory.New()).store

	t.Run("works with no options", func(t *testing.T) {
		_, err := repository.New(store, "account", newAccount, nil)
		require.NoError(t, err)
		_, err = repository.New(store, "account", newPlain, nil)
		require.NoError(t, err)
	})

	refused := func(name, want string, open func() error) {
		t.Run(name, func(t *testing.T) { require.EqualError(t, open(), want) })
	}
	constructor := func(newA func(id string) *account) func() error {
		return func() error {
			_, err := repository.New(store, "account", newA, nil)
			return err
		}
	}
	streamType := func(s string) func() error {
		return func() error {
			_, err := repository.New(store, s, newAccount, nil)
			return err
		}
	}

	refused("needs a store", "repository: New needs a store", func() error {
		_, err := newAccounts(nil, nil)
		return err
	})
	refused("needs a constructor", `repository: New of "account" needs the aggregate's constructor`, constructor(nil))

	refused("needs a stream type",
		`repository: New of "": not a stream type: eventstore: stream type "" is empty`, streamType(""))
	refused("refuses a hyphen in the stream type", `repository: New of "bank-account": not a stream type: `+
		`it contains a hyphen, which separates type and id in a stream's name`, streamType("bank-account"))
	refused("refuses a stream type that starts with a hyphen",
		`repository: New of "-account": not a stream type: eventstore: stream type "" is empty`, streamType("-account"))

	refused("refuses a constructor that does not call Init", `repository: New of "account": aggregate: `+
		`Init was not called: call it in the constructor, as in o.Init(id, o.apply)`,
		constructor(func(string) *account { return new(account) }))
	refused("refuses a constructor that returns nil", `repository: New of "account": the aggregate's constructor `+
		`panicked: runtime error: invalid memory address or nil pointer dereference`,
		constructor(func(string) *account { return nil }))
	refused("refuses a constructor that changes the id", `repository: New of "account": `+
		`*repository_test.account calls itself "7" instead of "00000000-0000-0000-0000-000000000000": `+
		`give Init the id as it is`,
		constructor(func(string) *account { return newAccount("7") }))
	refused("refuses a constructor that records", `repository: New of "account": *repository_test.account `+
		`recorded events while it was made, so every load would: record them in a command`,
		constructor(func(id string) *account {
			a := newAccount(id)
			a.deposit(1)
			return a
		}))

	refused("refuses a snapshot policy for what can't take snapshots", `repository: New of "account": the option `+
		`Snapshots is set, but *repository_test.plain is no aggregate.Snapshotter: give it the methods `+
		`Snapshot() (any, error) and Restore(state any) error, or leave the option out`,
		func() error {
			_, err := repository.New(store, "account", newPlain, &repository.Options{Snapshots: repository.EveryEvents(5)})
			return err
		})
	refused("refuses a snapshot state that is not registered", `repository: New of "account": *repository_test.odd could `+
		`not be snapshotted: serializer: unknown type: repository_test.forgotten is not `+
		`registered; add serializer.Register[repository_test.forgotten](registry, name)`,
		func() error {
			_, err := repository.New(store, "account", func(id string) *odd {
				return &odd{account: newAccount(id), snapshot: func() (any, error) { return forgotten{}, nil }}
			}, nil)
			return err
		})
	refused("refuses a negative backoff", `repository: New of "account": the option Backoff is negative: -1s`,
		func() error {
			_, err := newAccounts(store, &repository.Options{Backoff: -time.Second})
			return err
		})
}

func TestNeverIsAPolicyForEveryAggregate(t *testing.T) {
	w := newWorld(t, memory.New())
	_, err := repository.New(w.store, "account", newPlain, &repository.Options{Snapshots: repository.Never})
	require.NoError(t, err)
}

func TestConstructorThatChangesItsMind(t *testing.T) {
	w := newWorld(t, memory.New())
	const lower = "a"
	accounts, err := repository.New(w.store, "account", func(id string) *account {
		if id == "A" {
			id = lower
		}
		return newAccount(id)
	}, nil)
	require.NoError(t, err)
	_, err = accounts.Load(t.Context(), "A")
	require.EqualError(t, err, `repository: new "account-A": *repository_test.account calls itself "a" instead of "A": `+
		`give Init the id as it is`)
}

func TestErrNotFoundIsTheStoresOwn(t *testing.T) {
	require.Same(t, eventstore.ErrStreamNotFound, repository.ErrNotFound)
}

// An interface of one's own may stand for several aggregates.
func TestRepositoryOfAnInterface(t *testing.T) {
	type holder interface {
		aggregate.Aggregate
		deposit(amount int)
	}
	w := newWorld(t, memory.New())
	holders, err := repository.New(w.store, "account", func(id string) holder { return newAccount(id) }, nil)
	require.NoError(t, err)
	h, err := holders.Update(t.Context(), "7", func(h holder) error { h.deposit(5); return nil })
	require.NoError(t, err)
	require.Equal(t, int64(1), h.Version())
}
