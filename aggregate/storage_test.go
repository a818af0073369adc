package aggregate_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/aggregate"
)

// ids returns a source of the ids 1, 2, 3 and so on.
func ids() func() uuid.UUID {
	var last uint64
	return func() (id uuid.UUID) {
		last++
		binary.BigEndian.PutUint64(id[8:], last)
		return id
	}
}

func storageOf(t *testing.T, a aggregate.Aggregate) *aggregate.Storage {
	t.Helper()
	s, err := aggregate.StorageOf(a)
	require.NoError(t, err)
	return s
}

func payloads(events []aggregate.PendingEvent) []any {
	var all []any
	for _, e := range events {
		all = append(all, e.Payload)
	}
	return all
}

func TestStorageOf(t *testing.T) {
	t.Run("a root without Init has none", func(t *testing.T) {
		_, err := aggregate.StorageOf(new(account))
		require.ErrorContains(t, err, "Init was not called")
	})

	t.Run("a copy has none", func(t *testing.T) {
		b := *newAccount("7")
		_, err := aggregate.StorageOf(&b)
		require.ErrorContains(t, err, "copied after Init")
	})

	t.Run("every type that embeds a root has one", func(t *testing.T) {
		require.NotNil(t, storageOf(t, newAccount("7")))
	})
}

func TestReplay(t *testing.T) {
	t.Run("applies the event, sets the version, and leaves nothing pending", func(t *testing.T) {
		a := newAccount("7")
		require.NoError(t, storageOf(t, a).Replay(1, deposited{Amount: 5}))
		require.Equal(t, 5, a.balance)
		require.Equal(t, int64(1), a.Version())
		require.Empty(t, a.Pending())
	})

	t.Run("parts of one stored event share a version, and versions jump over dropped ones", func(t *testing.T) {
		a := newAccount("7")
		s := storageOf(t, a)
		for _, version := range []int64{1, 1, 4} {
			require.NoError(t, s.Replay(version, deposited{Amount: 1}))
			require.Equal(t, version, a.Version())
		}
		s.SetVersion(6)
		require.Equal(t, int64(6), a.Version())
		require.Equal(t, 3, a.balance)
	})

	t.Run("an event of another aggregate is refused with both types", func(t *testing.T) {
		a := newAccount("7")
		err := storageOf(t, a).Replay(1, time.Second)
		require.EqualError(t, err, `aggregate: "7" has no use for a time.Duration: `+
			`the events of its root are of type aggregate_test.accountEvent`)
		require.Zero(t, a.Version())
		require.ErrorContains(t, storageOf(t, a).Replay(1, nil), `has no use for a <nil>`)
	})

	t.Run("apply that records is told not to", func(t *testing.T) {
		var a struct{ aggregate.Root[int] }
		a.Init("7", func(n int) { a.Record(n) })
		require.Panics(t, func() { _ = storageOf(t, &a).Replay(1, 1) })
	})
}

func TestUnsaved(t *testing.T) {
	t.Run("events keep the ids that they got first", func(t *testing.T) {
		a, newID := newAccount("7"), ids()
		a.Record(deposited{Amount: 1}, deposited{Amount: 2})
		first := storageOf(t, a).Unsaved(newID)
		require.NotEqual(t, first[0].ID, first[1].ID)

		a.Record(deposited{Amount: 3})
		second := storageOf(t, a).Unsaved(newID)
		require.Len(t, second, 3)
		require.Equal(t, first[0].ID, second[0].ID)
		require.Equal(t, first[1].ID, second[1].ID)
		require.NotEqual(t, uuid.Nil, second[2].ID)
	})

	t.Run("what it returns is the caller's own", func(t *testing.T) {
		a, newID := newAccount("7"), ids()
		a.Record(deposited{Amount: 1})
		storageOf(t, a).Unsaved(newID)[0] = aggregate.PendingEvent{}
		require.Equal(t, deposited{Amount: 1}, storageOf(t, a).Unsaved(newID)[0].Payload)
	})

	t.Run("nothing pending is nothing to save", func(t *testing.T) {
		require.Empty(t, storageOf(t, newAccount("7")).Unsaved(ids()))
	})
}

func TestSaving(t *testing.T) {
	newID := ids()
	saving := func(t *testing.T, a *account) func(bool) {
		s := storageOf(t, a)
		n := len(s.Unsaved(newID))
		return s.Saving(n, 100+a.Version()+int64(n))
	}

	t.Run("until the end the events are pending, count in the version, and are not handed out again", func(t *testing.T) {
		a := newAccount("7")
		a.Record(deposited{Amount: 1}, deposited{Amount: 2})
		end := saving(t, a)
		require.Equal(t, int64(2), a.Version())
		require.Len(t, a.Pending(), 2)
		require.Empty(t, storageOf(t, a).Unsaved(newID))

		a.Record(deposited{Amount: 3})
		require.Equal(t, []any{deposited{Amount: 3}}, payloads(storageOf(t, a).Unsaved(newID)))

		end(true)
		require.Equal(t, int64(2), a.Version())
		require.Equal(t, []accountEvent{deposited{Amount: 3}}, a.Pending())
	})

	t.Run("after a rollback the events are pending at the old version with their ids", func(t *testing.T) {
		a := newAccount("7")
		a.Record(deposited{Amount: 1})
		before := storageOf(t, a).Unsaved(newID)
		saving(t, a)(false)
		require.Zero(t, a.Version())
		require.Equal(t, []accountEvent{deposited{Amount: 1}}, a.Pending())
		require.Equal(t, before[0].ID, storageOf(t, a).Unsaved(newID)[0].ID)
	})

	for name, committed := range map[string]bool{"commits": true, "rolls back": false} {
		t.Run("two saves in one transaction that "+name+" may end in any order", func(t *testing.T) {
			for _, lastFirst := range []bool{true, false} {
				a := newAccount("7")
				require.NoError(t, storageOf(t, a).Replay(1, deposited{Amount: 1}))
				a.Record(deposited{Amount: 2}, deposited{Amount: 3})
				ends := []func(bool){saving(t, a)}
				a.Record(deposited{Amount: 4})
				ends = append(ends, saving(t, a))
				require.Equal(t, int64(4), a.Version())
				require.Zero(t, a.Position())
				a.Record(deposited{Amount: 5})
				if lastFirst {
					ends[0], ends[1] = ends[1], ends[0]
				}
				ends[0](committed)
				ends[1](committed)

				if committed {
					require.Equal(t, int64(4), a.Version())
					require.Equal(t, int64(104), a.Position())
					require.Equal(t, []accountEvent{deposited{Amount: 5}}, a.Pending())
				} else {
					require.Equal(t, int64(1), a.Version())
					require.Zero(t, a.Position())
					require.Len(t, a.Pending(), 4)
				}
			}
		})
	}
}

func TestTorn(t *testing.T) {
	var r aggregate.Root[int]
	r.Init("7", func(n int) {
		if n < 0 {
			panic("negative")
		}
	})
	s := storageOf(t, &r)
	r.Record(1)
	require.False(t, s.Torn())
	require.Panics(t, func() { r.Record(-1) })
	r.Record(2)
	require.True(t, s.Torn(), "for good")
}

func TestSnapshotMark(t *testing.T) {
	s := storageOf(t, newAccount("7"))
	version, since := s.Snapshot()
	require.Zero(t, version)
	require.True(t, since.IsZero())

	noon := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	s.SetSnapshot(3, noon)
	version, since = s.Snapshot()
	require.Equal(t, int64(3), version)
	require.Equal(t, noon, since)
}
