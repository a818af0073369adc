package eventstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
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

func TestASnapshotThatIsTooLargeForADatabaseIsRefusedByItsSize(t *testing.T) {
	s := open(t, memory.New(), blobs(), nil)
	err := s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 1, State: blob(make([]byte, 256<<20+1))})
	require.ErrorContains(t, err, `snapshot of stream "account-ada" at version 1: account.blob is 268435457 bytes long; 268435456 are allowed`)
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

type sheet struct{ Pounds, Pence int }

// sheets is withBalance two versions of the state later, with the steps of chain.
func sheets(t *testing.T, d *memory.Store, chain ...upcaster.Step) *eventstore.Store {
	reg := accounts()
	serializer.Register[sheet](reg, "account.sheet", serializer.Version(3), serializer.Alias("account.balance"))
	return open(t, d, reg, &eventstore.Options{Upcasters: up(t, chain...)})
}

func TestASnapshotOfAnEarlierSchemaVersionIsCarriedForward(t *testing.T) {
	d := memory.New()
	require.NoError(t, open(t, d, withBalance(), nil).SaveSnapshot(t.Context(),
		eventstore.Snapshot{Stream: ada, Version: 5, State: balance{250}}))
	var seen upcaster.Event
	toPence := upcaster.MapWith(upcaster.V("account.sheet", 1), upcaster.V("account.sheet", 2),
		func(e *upcaster.Event, fields map[string]any) error {
			seen = *e
			e.Metadata["why"] = "nobody sees this"
			fields["Pence"] = fields["Total"]
			return nil
		})
	toSheet := upcaster.Struct(upcaster.V("account.sheet", 2), upcaster.V("account.sheet", 3),
		func(old struct{ Pence int }) (sheet, error) { return sheet{old.Pence / 100, old.Pence % 100}, nil })

	s := sheets(t, d, toPence, toSheet)
	snap, ok, err := s.LoadSnapshot(t.Context(), ada)
	require.NoError(t, err)
	require.True(t, ok)
	stored, _, err := d.LoadSnapshot(t.Context(), ada)
	require.NoError(t, err)
	require.Equal(t, eventstore.Snapshot{Stream: ada, Version: 5, State: sheet{2, 50}, RecordedAt: stored.RecordedAt}, snap)

	t.Run("by steps that see what it belongs to", func(t *testing.T) {
		require.Equal(t, upcaster.Event{Type: upcaster.V("account.sheet", 1), ContentType: "application/json",
			Data: []byte(`{"Total":250}`), Metadata: seen.Metadata, RecordedAt: stored.RecordedAt, StreamType: "account",
			StreamID: "ada", Version: 5}, seen)
	})
	t.Run("and stays stored as it was", func(t *testing.T) {
		require.Equal(t, `account.balance {"Total":250}`, stored.Type+" "+string(stored.Data))
		require.Equal(t, 1, stored.Schema)
	})
	t.Run("until a later one is taken", func(t *testing.T) {
		require.NoError(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 6, State: sheet{3, 0}}))
		snap, _, err := s.LoadSnapshot(t.Context(), ada)
		require.NoError(t, err)
		require.Equal(t, sheet{3, 0}, snap.State)
	})
}

func TestASnapshotThatUpcastersMakeNoStateOfIsASnapshotError(t *testing.T) {
	v1, v3 := upcaster.V("account.balance", 1), upcaster.V("account.sheet", 3)
	split := func(f func(e upcaster.Event) []upcaster.Event) upcaster.Step {
		return upcaster.Split(v1, []upcaster.Type{v3}, func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
			e.Type = v3
			return f(e), nil
		})
	}
	for want, steps := range map[string][]upcaster.Step{
		"an upcaster step from v1 is missing":                              nil,
		"upcasters make nothing of it instead of one state":                {upcaster.Drop(v1)},
		"make account.sheet v3 and account.sheet v3 of it instead of one ": {split(func(e upcaster.Event) []upcaster.Event { return []upcaster.Event{e, e} })},
		"panic: no idea":              {split(func(upcaster.Event) []upcaster.Event { panic("no idea") })},
		"serializer: decode account.": {split(func(e upcaster.Event) []upcaster.Event { e.Data = nil; return []upcaster.Event{e} })},
	} {
		t.Run(want, func(t *testing.T) {
			d := memory.New()
			require.NoError(t, open(t, d, withBalance(), nil).SaveSnapshot(t.Context(),
				eventstore.Snapshot{Stream: ada, Version: 5, State: balance{250}}))
			_, ok, err := sheets(t, d, steps...).LoadSnapshot(t.Context(), ada)
			require.False(t, ok)
			var broken *eventstore.SnapshotError
			require.ErrorAs(t, err, &broken)
			require.Equal(t, []any{ada, int64(5), "account.balance", 1}, []any{broken.Stream, broken.Version, broken.Type, broken.Schema})
			require.ErrorContains(t, err, want)
		})
	}
}
