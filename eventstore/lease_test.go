package eventstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
)

// openClocked returns a store in memory and its clock, which is finer than what is stored.
func openClocked(t *testing.T) (*eventstore.Store, *time.Time) {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 1999, time.FixedZone("east", 3600))
	return open(t, memory.New(), accounts(), &eventstore.Options{Now: func() time.Time { return now }}), &now
}

func acquire(t *testing.T, s *eventstore.Store, name, owner string) eventstore.Lease {
	t.Helper()
	lease, err := s.AcquireLease(t.Context(), name, owner, time.Minute)
	require.NoError(t, err)
	return lease
}

func TestAcquireLease(t *testing.T) {
	t.Run("lasts for its time by the store's clock, in UTC and whole microseconds", func(t *testing.T) {
		s, now := openClocked(t)
		lease := acquire(t, s, "totals", "one")
		began := time.Date(2026, 3, 1, 11, 0, 0, 1000, time.UTC)
		require.Equal(t, eventstore.Lease{Name: "totals", Token: 1, Owner: "one", Until: began.Add(time.Minute), UpdatedAt: began}, lease)

		*now = now.Add(time.Minute - time.Microsecond)
		_, err := s.AcquireLease(t.Context(), "totals", "two", time.Minute)
		var held *eventstore.HeldError
		require.ErrorAs(t, err, &held)
		require.Equal(t, lease, held.Lease)
		require.ErrorContains(t, err, `eventstore: acquire lease "totals": `)
		require.ErrorContains(t, err, "owned by one until 2026-03-01T11:01:00Z")

		*now = now.Add(time.Microsecond)
		require.EqualValues(t, 2, acquire(t, s, "totals", "two").Token)
	})
	t.Run("has its time renewed by its owner", func(t *testing.T) {
		s, now := openClocked(t)
		first := acquire(t, s, "totals", "one")
		*now = now.Add(time.Hour)
		second := acquire(t, s, "totals", "one")
		require.Equal(t, first.Token, second.Token)
		require.Equal(t, first.Until.Add(time.Hour), second.Until)
	})
	t.Run("lasts for a microsecond at least", func(t *testing.T) {
		s, _ := openClocked(t)
		lease, err := s.AcquireLease(t.Context(), "totals", "one", time.Nanosecond)
		require.NoError(t, err)
		require.Equal(t, time.Microsecond, lease.Until.Sub(lease.UpdatedAt))
	})
	t.Run("refuses what makes no sense", func(t *testing.T) {
		s, _ := openClocked(t)
		_, err := s.AcquireLease(t.Context(), "", "one", time.Minute)
		require.ErrorContains(t, err, `lease name "" is empty`)
		_, err = s.AcquireLease(t.Context(), "totals", "o\x00", time.Minute)
		require.ErrorContains(t, err, "the owner's name \"o\\x00\" contains a NUL character")
		_, err = s.AcquireLease(t.Context(), "totals", "one", 0)
		require.ErrorContains(t, err, "the time must be positive")
	})
}

func TestSaveLease(t *testing.T) {
	t.Run("moves the checkpoint, keeps the document and renews", func(t *testing.T) {
		s, now := openClocked(t)
		lease := acquire(t, s, "totals", "one")
		for _, to := range []int64{7, 9} {
			*now = now.Add(50 * time.Second)
			from := lease.Position
			lease.Position, lease.State = to, []byte(` {"a": 1} `)
			require.NoError(t, s.SaveLease(t.Context(), lease, from))
			list, err := s.Leases(t.Context(), "tot")
			require.NoError(t, err)
			want := lease
			want.UpdatedAt = s.Now()
			want.Until = s.Now().Add(time.Minute)
			require.Equal(t, []eventstore.Lease{want}, list)
			position, err := s.LoadCheckpoint(t.Context(), "totals")
			require.NoError(t, err)
			require.Equal(t, to, position)
		}
		lease.State = []byte{}
		require.NoError(t, s.SaveLease(t.Context(), lease, 9))
		require.Nil(t, acquire(t, s, "totals", "one").State)
	})
	t.Run("is not for one who has lost it, nor from elsewhere", func(t *testing.T) {
		s, now := openClocked(t)
		old := acquire(t, s, "totals", "one")
		*now = now.Add(time.Hour)
		current := acquire(t, s, "totals", "two")
		require.ErrorIs(t, s.SaveLease(t.Context(), old, 0), eventstore.ErrLeaseLost)
		require.ErrorIs(t, s.SaveLease(t.Context(), current, 3), eventstore.ErrCheckpointMoved)
		require.NoError(t, s.SaveLease(t.Context(), current, 0))
	})
	t.Run("refuses what was not acquired, and what is no JSON", func(t *testing.T) {
		s, _ := openClocked(t)
		require.ErrorContains(t, s.SaveLease(t.Context(), eventstore.Lease{Name: "totals"}, 0), "AcquireLease")
		lease := acquire(t, s, "totals", "one")
		for _, state := range []string{"{", " ", "\"\xff\""} {
			lease.State = []byte(state)
			require.ErrorContains(t, s.SaveLease(t.Context(), lease, 0), "not valid JSON")
		}
		lease.State, lease.Position = nil, -1
		require.ErrorContains(t, s.SaveLease(t.Context(), lease, 0), "position -1 is negative")
	})
}

func TestReleaseLease(t *testing.T) {
	s, _ := openClocked(t)
	lease := acquire(t, s, "totals", "one")
	require.NoError(t, s.ReleaseLease(t.Context(), "totals", lease.Token+1))
	require.ErrorAs(t, anError(s.AcquireLease(t.Context(), "totals", "two", time.Minute)), new(*eventstore.HeldError))
	require.NoError(t, s.ReleaseLease(t.Context(), "totals", lease.Token))
	require.ErrorIs(t, s.SaveLease(t.Context(), lease, 0), eventstore.ErrLeaseLost)
	require.Greater(t, acquire(t, s, "totals", "one").Token, lease.Token)
}

func TestLeases(t *testing.T) {
	s, _ := openClocked(t)
	acquire(t, s, "b", "one")
	require.NoError(t, s.SaveCheckpoint(t.Context(), "a", 0, 5))
	list, err := s.Leases(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, eventstore.Lease{Name: "a", Position: 5, UpdatedAt: s.Now()}, list[0])
	_, err = s.Leases(t.Context(), "\xff")
	require.ErrorContains(t, err, "not valid UTF-8")
}

func TestWithoutLeasesACallIsNotSupported(t *testing.T) {
	s := open(t, deaf{memory.New()}, accounts(), nil)
	require.ErrorIs(t, anError(s.AcquireLease(t.Context(), "a", "one", time.Minute)), eventstore.ErrNotSupported)
	require.ErrorIs(t, s.SaveLease(t.Context(), eventstore.Lease{Name: "a"}, 0), eventstore.ErrNotSupported)
	require.ErrorIs(t, s.ReleaseLease(t.Context(), "a", 1), eventstore.ErrNotSupported)
	require.ErrorIs(t, anError(s.Leases(t.Context(), "")), eventstore.ErrNotSupported)
	require.ErrorIs(t, s.SaveDeadLetter(t.Context(), eventstore.DeadLetter{Projection: "a"}), eventstore.ErrNotSupported)
	require.ErrorIs(t, s.DeleteDeadLetter(t.Context(), "a", 1), eventstore.ErrNotSupported)
	require.ErrorIs(t, anError(s.DeadLetters(t.Context(), "a", 0, 1)), eventstore.ErrNotSupported)
}

func TestAfterCloseLeasesAreClosed(t *testing.T) {
	s := openMemory(t)
	lease := acquire(t, s, "a", "one")
	require.NoError(t, s.Close())
	require.ErrorIs(t, anError(s.AcquireLease(t.Context(), "a", "one", time.Minute)), eventstore.ErrClosed)
	require.ErrorIs(t, s.SaveLease(t.Context(), lease, 0), eventstore.ErrClosed)
	require.ErrorIs(t, s.ReleaseLease(t.Context(), "a", 1), eventstore.ErrClosed)
	require.ErrorIs(t, anError(s.Leases(t.Context(), "")), eventstore.ErrClosed)
	require.ErrorIs(t, s.DeleteDeadLetter(t.Context(), "a", 1), eventstore.ErrClosed)
}

func anError[T any](_ T, err error) error { return err }
