package eventstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

type balance struct{ Total int }

func withBalance(opts ...serializer.Option) *serializer.Registry {
	reg := accounts()
	serializer.Register[balance](reg, "account.balance", opts...)
	return reg
}

func TestASnapshotComesBackAndAnOlderOneNeverReplacesIt(t *testing.T) {
	s := open(t, memory.New(), withBalance(), nil)
	_, ok, err := s.LoadSnapshot(t.Context(), ada)
	require.NoError(t, err)
	require.False(t, ok)

	for _, version := range []int64{5, 3} {
		require.NoError(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: version, State: balance{int(version)}}))
	}
	snap, ok, err := s.LoadSnapshot(t.Context(), ada)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []any{ada, int64(5), balance{5}}, []any{snap.Stream, snap.Version, snap.State})
}

func TestASnapshotThatCanNotBeUsedIsASnapshotError(t *testing.T) {
	for name, harm := range map[string]func(*driver.Snapshot){
		"another schema version": func(s *driver.Snapshot) { s.Schema = 2 },
		"an unknown type":        func(s *driver.Snapshot) { s.Type = "account.sheet" },
		"damaged bytes":          func(s *driver.Snapshot) { s.Data = []byte("{") },
	} {
		t.Run(name, func(t *testing.T) {
			d := memory.New()
			s := open(t, d, withBalance(), nil)
			snap := driver.Snapshot{Stream: ada, Version: 1, Type: "account.balance", Schema: 1,
				ContentType: "application/json", Data: []byte(`{"Total":1}`)}
			harm(&snap)
			require.NoError(t, d.SaveSnapshot(t.Context(), snap))
			_, _, err := s.LoadSnapshot(t.Context(), ada)
			var broken *eventstore.SnapshotError
			require.ErrorAs(t, err, &broken)
			require.Equal(t, snap.Type, broken.Type)
		})
	}
}

func TestWithoutTheCapabilityACallIsNotSupported(t *testing.T) {
	s := open(t, deaf{memory.New()}, withBalance(), nil)
	_, _, err := s.LoadSnapshot(t.Context(), ada)
	require.ErrorIs(t, err, eventstore.ErrNotSupported)
	require.ErrorIs(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 1, State: balance{}}), eventstore.ErrNotSupported)
	_, err = s.LoadCheckpoint(t.Context(), "p")
	require.ErrorIs(t, err, eventstore.ErrNotSupported)
	require.ErrorIs(t, s.SaveCheckpoint(t.Context(), "p", 0, 1), eventstore.ErrNotSupported)
	require.ErrorIs(t, s.Transact(t.Context(), nil), eventstore.ErrNotSupported)
	ended := false
	s.OnEnd(t.Context(), func(committed bool) { ended = committed })
	require.True(t, ended)
}

func TestACheckpointMovesOnlyFromWhereItsOwnerLeftIt(t *testing.T) {
	s := openMemory(t)
	require.NoError(t, s.SaveCheckpoint(t.Context(), "totals", 0, 10))
	require.ErrorIs(t, s.SaveCheckpoint(t.Context(), "totals", 0, 7), eventstore.ErrCheckpointMoved)
	position, err := s.LoadCheckpoint(t.Context(), "totals")
	require.NoError(t, err)
	require.EqualValues(t, 10, position)
	require.ErrorContains(t, s.SaveCheckpoint(t.Context(), "", 0, 1), "is empty")
}
