package eventstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// tailing reads snapshot and events in one call, and can fail at that.
type tailing struct {
	*memory.Store
	tails, pages int
	err          error
}

func (d *tailing) ReadTail(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
	if d.tails++; d.err != nil {
		return nil, nil, d.err
	}
	snap, ok, err := d.LoadSnapshot(ctx, q.Stream)
	if q.From = snap.Version + 1; err != nil {
		return nil, nil, err
	}
	page, err := d.Store.ReadStream(ctx, q)
	if !ok {
		return nil, page, err
	}
	return &snap, page, err
}

func (d *tailing) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	d.pages++
	return d.Store.ReadStream(ctx, q)
}

// restored is what an iteration that begins after a snapshot brings.
type restored struct {
	snap    *eventstore.Snapshot
	damage  error
	events  []eventstore.Event
	reached int64
}

func restore(t *testing.T, s *eventstore.Store, usable bool, opts eventstore.StreamOptions) (r restored) {
	t.Helper()
	opts.Restore = func(snap eventstore.Snapshot, err error) bool {
		r.snap, r.damage = &snap, err
		return usable
	}
	opts.Reached = func(version int64) { r.reached = version }
	var err error
	r.events, err = collect(s.Stream(t.Context(), ada, &opts))
	require.NoError(t, err)
	return r
}

func versionsOf(events []eventstore.Event) (list []int64) {
	for _, e := range events {
		list = append(list, e.Version)
	}
	return list
}

// withAndWithoutTails runs a test on drivers of both kinds.
func withAndWithoutTails(t *testing.T, test func(t *testing.T, d driver.Store)) {
	t.Helper()
	t.Run("in one round trip", func(t *testing.T) { test(t, &tailing{Store: memory.New()}) })
	t.Run("one after the other", func(t *testing.T) { test(t, memory.New()) })
}

func TestAnIterationBeginsAfterTheSnapshot(t *testing.T) {
	t.Parallel()
	withAndWithoutTails(t, func(t *testing.T, d driver.Store) {
		s := open(t, d, withBalance(), nil)
		r := restore(t, s, true, eventstore.StreamOptions{})
		require.Equal(t, restored{}, r, "nothing is stored")

		mustAppend(t, s, ada, deposited{1}, deposited{2}, deposited{3})
		r = restore(t, s, true, eventstore.StreamOptions{})
		require.Nil(t, r.snap)
		require.Equal(t, []int64{1, 2, 3}, versionsOf(r.events))

		require.NoError(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 2, State: balance{3}}))
		r = restore(t, s, true, eventstore.StreamOptions{})
		require.Equal(t, balance{3}, r.snap.State)
		require.NoError(t, r.damage)
		require.Equal(t, []int64{3}, versionsOf(r.events))
		require.EqualValues(t, 3, r.reached)

		r = restore(t, s, false, eventstore.StreamOptions{})
		require.EqualValues(t, 2, r.snap.Version)
		require.Equal(t, []int64{1, 2, 3}, versionsOf(r.events), "the caller has no use for it")

		r = restore(t, s, false, eventstore.StreamOptions{Limit: 1})
		require.Equal(t, []int64{1}, versionsOf(r.events))
		mustAppend(t, s, ada, deposited{4})
		r = restore(t, s, true, eventstore.StreamOptions{Limit: 1})
		require.Equal(t, []int64{3}, versionsOf(r.events))

		require.NoError(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 4, State: balance{10}}))
		r = restore(t, s, true, eventstore.StreamOptions{})
		require.Empty(t, r.events)
		require.Zero(t, r.reached)
	})
}

func TestALongTailIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	withAndWithoutTails(t, func(t *testing.T, d driver.Store) {
		s := open(t, d, withBalance(), nil)
		const n = 1300
		list := make([]any, n)
		for i := range list {
			list[i] = deposited{i}
		}
		mustAppend(t, s, ada, list...)
		require.NoError(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 7, State: balance{}}))
		r := restore(t, s, true, eventstore.StreamOptions{})
		require.Len(t, r.events, n-7)
		require.EqualValues(t, 8, r.events[0].Version)
		require.EqualValues(t, n, r.reached)
	})
}

func TestASnapshotThatCanNotBeDecodedIsOfferedWithItsError(t *testing.T) {
	t.Parallel()
	withAndWithoutTails(t, func(t *testing.T, d driver.Store) {
		s := open(t, d, withBalance(), nil)
		mustAppend(t, s, ada, deposited{1}, deposited{2})
		require.NoError(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 1, State: balance{1}}))
		later, err := eventstore.New(d, withBalance(serializer.Version(2)), nil)
		require.NoError(t, err)
		r := restore(t, later, false, eventstore.StreamOptions{})
		var damage *eventstore.SnapshotError
		require.ErrorAs(t, r.damage, &damage)
		require.EqualValues(t, 1, damage.Version)
		require.Equal(t, []int64{1, 2}, versionsOf(r.events))
	})
}

func TestSnapshotAndEventsAreOneCallWhereTheDriverCan(t *testing.T) {
	t.Parallel()
	d := &tailing{Store: memory.New()}
	s := open(t, d, withBalance(), nil)
	mustAppend(t, s, ada, deposited{1}, deposited{2})
	require.NoError(t, s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 1, State: balance{1}}))
	restore(t, s, true, eventstore.StreamOptions{})
	require.Equal(t, []int{1, 0}, []int{d.tails, d.pages})
	_, err := collect(s.Stream(t.Context(), ada, nil))
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{d.tails, d.pages}, "nobody asked for the snapshot")

	d.err = errors.New("broken")
	_, err = collect(s.Stream(t.Context(), ada, &eventstore.StreamOptions{Restore: func(eventstore.Snapshot, error) bool { return true }}))
	require.ErrorIs(t, err, d.err)
}

func TestRestoreDoesNotGoWithARange(t *testing.T) {
	t.Parallel()
	s := openMemory(t)
	for _, opts := range []eventstore.StreamOptions{{From: 2}, {To: 2}, {Backward: true}} {
		opts.Restore = func(eventstore.Snapshot, error) bool { return true }
		_, err := collect(s.Stream(t.Context(), ada, &opts))
		require.ErrorContains(t, err, "Restore does not go with From, To or Backward")
	}
}

func TestWithoutSnapshotsAnIterationBeginsAtTheFirstEvent(t *testing.T) {
	t.Parallel()
	s := open(t, deaf{memory.New()}, withBalance(), nil)
	mustAppend(t, s, ada, deposited{1})
	r := restore(t, s, true, eventstore.StreamOptions{})
	require.Nil(t, r.snap)
	require.Equal(t, []int64{1}, versionsOf(r.events))
}
