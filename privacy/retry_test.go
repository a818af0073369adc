package privacy_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/privacy"
)

func withID(payload any) eventstore.NewEvent {
	return eventstore.NewEvent{ID: uuid.Must(uuid.NewV7()), Payload: payload}
}

// A6 and A7 hold for sealed events, too.
func TestARetryIsRecognised(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		events := []eventstore.NewEvent{withID(anna), withID(ill), withID(noted{"x"})}
		first, err := w.store.Append(t.Context(), stream("1"), eventstore.NoStream, events...)
		require.NoError(t, err)
		duplicate := first
		duplicate.Duplicate = true
		retry := func() (eventstore.Receipt, error) {
			return w.store.Append(t.Context(), stream("1"), eventstore.NoStream, events...)
		}
		t.Run("though it is sealed anew", func(t *testing.T) {
			again, err := retry()
			require.NoError(t, err)
			require.Equal(t, duplicate, again)
		})
		t.Run("after the key was rotated", func(t *testing.T) {
			require.NoError(t, w.vault.Rotate(t.Context(), "c-1"))
			again, err := retry()
			require.NoError(t, err)
			require.Equal(t, duplicate, again)
		})
		t.Run("and one with other personal data is refused", func(t *testing.T) {
			other := anna
			other.Name = "Anna Arkadyevna"
			events := append([]eventstore.NewEvent{{ID: events[0].ID, Payload: other}}, events[1:]...)
			_, err := w.store.Append(t.Context(), stream("1"), eventstore.NoStream, events...)
			require.ErrorIs(t, err, eventstore.ErrIdempotency)
		})
		t.Run("and one about another subject is refused", func(t *testing.T) {
			other := anna
			other.Customer = "c-2"
			events := append([]eventstore.NewEvent{{ID: events[0].ID, Payload: other}}, events[1:]...)
			_, err := w.store.Append(t.Context(), stream("1"), eventstore.NoStream, events...)
			require.ErrorIs(t, err, eventstore.ErrIdempotency)
		})
		t.Run("and one that comes after the subject was forgotten can't be compared and is refused", func(t *testing.T) {
			w.forget("c-1")
			_, err := retry()
			require.ErrorIs(t, err, privacy.ErrForgotten)
		})
		require.Len(t, w.raw("1"), 3)
	})
}

func TestARetryOfWhatWasStoredBeforeAFieldBecamePersonalIsRecognised(t *testing.T) {
	w := inMemory(t, nil)
	event := withID(anna)
	first, err := w.storeWith(nil).Append(t.Context(), stream("1"), eventstore.NoStream, event)
	require.NoError(t, err)
	again, err := w.store.Append(t.Context(), stream("1"), eventstore.NoStream, event)
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	require.Equal(t, first.Position, again.Position)
	require.Equal(t, []any{anna}, w.payloads("1"), "what is stored in plain is read as it is")
}
