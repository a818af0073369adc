package repository_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/repository"
)

func TestLoad(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})

		t.Run("replays the stream", func(t *testing.T) {
			w.append(t, "replays", deposited{5}, withdrawn{2})
			a := load(t, accounts, "replays")
			require.Equal(t, "replays", a.ID())
			require.Equal(t, int64(2), a.Version())
			require.Equal(t, 3, a.state.Balance)
			require.Empty(t, a.Pending())
			require.Equal(t, repository.Loaded{Stream: stream("replays"), Replayed: 2}, w.lastLoad(t))
		})

		t.Run("R2 a missing aggregate is ErrNotFound and named", func(t *testing.T) {
			a, err := accounts.Load(t.Context(), "missing")
			require.ErrorIs(t, err, repository.ErrNotFound)
			require.EqualError(t, err, `eventstore: stream not found: "account-missing"`)
			require.Nil(t, a)
		})

		t.Run("starts from the snapshot and replays what follows", func(t *testing.T) {
			accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(2)})
			saved := newAccount("snapshot")
			saved.deposit(5)
			saved.deposit(6)
			require.NoError(t, accounts.Save(t.Context(), saved))
			w.append(t, "snapshot", withdrawn{1})

			sameAccount(t, w.replayed(t, "snapshot"), load(t, accounts, "snapshot"))
			require.Equal(t, repository.Loaded{Stream: stream("snapshot"), SnapshotVersion: 2, Replayed: 1}, w.lastLoad(t))
		})

		t.Run("a snapshot with nothing after it is enough", func(t *testing.T) {
			w.append(t, "enough", deposited{5})
			require.NoError(t, w.store.SaveSnapshot(t.Context(),
				eventstore.Snapshot{Stream: stream("enough"), Version: 1, State: accountState{Balance: 5, Trail: 5}}))
			sameAccount(t, w.replayed(t, "enough"), load(t, accounts, "enough"))
			require.Equal(t, repository.Loaded{Stream: stream("enough"), SnapshotVersion: 1}, w.lastLoad(t))
		})

		t.Run("an ended context ends it", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := accounts.Load(ctx, "replays")
			require.ErrorIs(t, err, context.Canceled)
		})

		t.Run("an id that can't be one is refused by its rule", func(t *testing.T) {
			_, err := accounts.Load(t.Context(), "")
			require.ErrorContains(t, err, "is empty")
			require.NotErrorIs(t, err, repository.ErrNotFound)
		})

		t.Run("a database that fails is no missing aggregate", func(t *testing.T) {
			w.drv.readStream = func(context.Context, driver.StreamQuery) ([]driver.Record, error) { return nil, errBroken }
			defer func() { w.drv.readStream = nil }()
			_, err := accounts.Load(t.Context(), "replays")
			require.ErrorIs(t, err, errBroken)
			require.NotErrorIs(t, err, repository.ErrNotFound)
		})
	})
}

func TestS4WhatCanNotBeReplayedFailsTheLoad(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{})
		raw := func(t *testing.T, id, typ string, schema int, data string) {
			w.append(t, id, deposited{1})
			_, err := w.drv.Commit(t.Context(), []driver.Write{{Stream: stream(id), Expected: driver.Any,
				Events: []driver.Event{{ID: uuid.New(), Type: typ, Schema: schema, ContentType: "application/json",
					Data: []byte(data), RecordedAt: time.Now().UTC().Truncate(time.Microsecond)}}}})
			require.NoError(t, err)
		}
		cases := []struct {
			name, typ string
			schema    int
			payload   string
			unknown   bool
		}{
			{"an unknown event type", "account.frozen", 1, `{}`, true},
			{"an unknown schema version", "account.deposited", 9, `{}`, true},
			{"a payload that does not decode", "account.withdrawn", 1, `{"Amount":"much"}`, false},
		}
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				id := fmt.Sprint(i)
				raw(t, id, c.typ, c.schema, c.payload)
				a, err := accounts.Load(t.Context(), id)
				require.Nil(t, a)
				var decode *eventstore.DecodeError
				require.ErrorAs(t, err, &decode)
				require.Equal(t, stream(id), decode.Stream)
				require.Equal(t, int64(2), decode.Version)
				require.Equal(t, c.typ, decode.Type)
				require.ErrorContains(t, err, fmt.Sprintf("%s v%d, version 2 of stream %q", c.typ, c.schema, stream(id)))
				if c.unknown {
					require.ErrorIs(t, err, eventstore.ErrUnknownEvent)
				}

				_, err = accounts.Update(t.Context(), id, deposit(1))
				require.ErrorAs(t, err, &decode)
			})
		}

		t.Run("an event that is none of the aggregate's", func(t *testing.T) {
			w.append(t, "rained", deposited{1}, rained{})
			_, err := accounts.Load(t.Context(), "rained")
			require.EqualError(t, err, `repository: load "account-rained": version 2, weather.rained v1: aggregate: "rained" `+
				`has no use for a repository_test.rained: the events of its root are of type repository_test.accountEvent`)
		})
	})
}

func TestUpcastEvents(t *testing.T) {
	onEvery(t, func(t *testing.T, w *world) {
		accounts := w.accounts(t, repository.Options{Snapshots: repository.Never})

		t.Run("parts of one event count as one version", func(t *testing.T) {
			w.appendOld(t, "parts", oldDeposited{Cents: 5}, oldMoved{In: 3, Out: 1})
			a := load(t, accounts, "parts")
			require.Equal(t, int64(2), a.Version())
			require.Equal(t, 7, a.state.Balance)
			require.Equal(t, 3, w.lastLoad(t).Replayed)
			a.deposit(1)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, int64(3), a.Version())
		})

		t.Run("dropped events count at the end of the stream", func(t *testing.T) {
			w.appendOld(t, "dropped", oldDeposited{Cents: 5}, oldPinged{}, oldPinged{})
			a := load(t, accounts, "dropped")
			require.Equal(t, int64(3), a.Version())
			a.deposit(1)
			require.NoError(t, accounts.Save(t.Context(), a))
			require.Equal(t, int64(4), load(t, accounts, "dropped").Version())
		})

		t.Run("a stream of dropped events is there, and empty", func(t *testing.T) {
			w.appendOld(t, "empty", oldPinged{}, oldPinged{})
			a := load(t, accounts, "empty")
			require.Equal(t, int64(2), a.Version())
			require.Zero(t, a.state)
			update(t, accounts, "empty", deposit(1))
			require.Equal(t, int64(3), load(t, accounts, "empty").Version())
		})

		t.Run("dropped events count after a snapshot", func(t *testing.T) {
			accounts := w.accounts(t, repository.Options{Snapshots: repository.EveryEvents(1)})
			update(t, accounts, "after", deposit(5))
			w.appendOld(t, "after", oldPinged{})
			a := load(t, accounts, "after")
			require.Equal(t, int64(1), w.lastLoad(t).SnapshotVersion)
			require.Equal(t, int64(2), a.Version())
			a.deposit(1)
			require.NoError(t, accounts.Save(t.Context(), a))
		})
	})
}
