package eventstore_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

// hexProtector stores payloads as hexadecimal digits, another salt before each, and counts its calls.
type hexProtector struct {
	protects, reveals, salt atomic.Int64
	seen                    []eventstore.Payload // of the last call of Protect
	redact                  bool
	err                     error
}

func (h *hexProtector) Protect(_ context.Context, payloads []eventstore.Payload) error {
	h.protects.Add(1)
	h.seen = append([]eventstore.Payload(nil), payloads...)
	for i := range payloads {
		p := &payloads[i]
		p.ContentType += "+hex"
		p.Data = append([]byte{'a' + byte(h.salt.Add(1)%20)}, hex.EncodeToString(p.Data)...)
	}
	return h.err
}

func (h *hexProtector) Reveal(_ context.Context, payloads []eventstore.Payload) error {
	h.reveals.Add(1)
	for i := range payloads {
		p := &payloads[i]
		p.ContentType, _ = strings.CutSuffix(p.ContentType, "+hex")
		p.Data, p.Err = hex.DecodeString(string(p.Data[1:]))
		p.Redacted = h.redact
	}
	return h.err
}

func TestAProtectorStandsBetweenTheStoreAndItsDriver(t *testing.T) {
	drv, h := memory.New(), new(hexProtector)
	s := open(t, drv, accounts(), &eventstore.Options{Protector: h})
	_, err := s.AppendAll(t.Context(),
		eventstore.Write{Stream: ada, Events: eventstore.Events(opened{"Ada"}, deposited{5})},
		eventstore.Write{Stream: eventstore.StreamID{Type: "account", ID: "bob"}, Events: eventstore.Events(opened{"Bob"})},
		eventstore.Write{Stream: eventstore.StreamID{Type: "account", ID: "eve"}})
	require.NoError(t, err)

	t.Run("it is called once for all events of an append, with what it may need", func(t *testing.T) {
		require.Equal(t, int64(1), h.protects.Load())
		require.Len(t, h.seen, 3)
		p := h.seen[1]
		require.Equal(t, ada, p.Stream)
		require.NotZero(t, p.ID)
		require.Equal(t, deposited{5}, p.Value)
		require.Equal(t, serializer.Encoded{Type: "account.deposited", Schema: 1, ContentType: "application/json",
			Data: []byte(`{"Amount":5}`)}, p.Encoded)
	})
	t.Run("it is not called for an append of nothing", func(t *testing.T) {
		_, err := s.Append(t.Context(), ada, eventstore.Any)
		require.NoError(t, err)
		require.Equal(t, int64(1), h.protects.Load())
	})
	t.Run("it is called once for a page, and not at all for a raw one", func(t *testing.T) {
		events, err := collect(s.All(t.Context(), 0, nil))
		require.NoError(t, err)
		require.Equal(t, []any{opened{"Ada"}, deposited{5}, opened{"Bob"}}, payloads(events))
		require.Equal(t, `{"Amount":5}`, string(events[1].Raw))
		require.Equal(t, "application/json", events[1].ContentType)
		require.Equal(t, int64(1), h.reveals.Load())
		events, err = collect(s.Stream(t.Context(), ada, &eventstore.StreamOptions{Raw: true}))
		require.NoError(t, err)
		require.Equal(t, "application/json+hex", events[1].ContentType)
		require.Equal(t, hex.EncodeToString([]byte(`{"Amount":5}`)), string(events[1].Raw[1:]))
		require.Equal(t, int64(1), h.reveals.Load())
	})
	t.Run("it is shown what a reader wants, and no more", func(t *testing.T) {
		events, err := collect(s.All(t.Context(), 0, &eventstore.ReadOptions{
			Only: func(stream eventstore.StreamID, _ int64) bool { return stream != ada }}))
		require.NoError(t, err)
		require.Equal(t, []any{opened{"Bob"}}, payloads(events))
	})
}

func TestAProtectorMayStoreTheSameEventInAnotherWayEachTime(t *testing.T) {
	s := open(t, memory.New(), accounts(), &eventstore.Options{Protector: new(hexProtector)})
	event := eventstore.NewEvent{ID: s.NewID(), Payload: opened{"Ada"}}
	for _, duplicate := range []bool{false, true, true} {
		receipt, err := s.Append(t.Context(), ada, eventstore.NoStream, event)
		require.NoError(t, err)
		require.Equal(t, duplicate, receipt.Duplicate)
	}
	event.Payload = opened{"Eve"}
	_, err := s.Append(t.Context(), ada, eventstore.NoStream, event)
	require.ErrorIs(t, err, eventstore.ErrIdempotency)
}

func TestAProtectorThatFails(t *testing.T) {
	drv, h := memory.New(), new(hexProtector)
	s := open(t, drv, accounts(), &eventstore.Options{Protector: h})
	mustAppend(t, s, ada, opened{"Ada"}, deposited{5})
	h.err = errors.New("no keys")
	t.Run("fails the append, of which nothing is written", func(t *testing.T) {
		_, err := s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(deposited{1})...)
		require.ErrorIs(t, err, h.err)
		require.ErrorContains(t, err, `append to stream "account-ada"`)
	})
	t.Run("fails the whole read, and it is not an event's fault", func(t *testing.T) {
		events, err := collect(s.Stream(t.Context(), ada, nil))
		require.Empty(t, events)
		require.ErrorIs(t, err, h.err)
		require.NotErrorAs(t, err, new(*eventstore.DecodeError))
		_, err = s.ReadAll(t.Context(), 0, nil)
		require.ErrorIs(t, err, h.err)
	})
	h.err = nil
	t.Run("on one event ends the read there", func(t *testing.T) {
		_, err := open(t, drv, accounts(), nil).Append(t.Context(), ada, 2, eventstore.Events(deposited{7})...) // in plain
		require.NoError(t, err)
		events, err := collect(s.Stream(t.Context(), ada, nil))
		require.Equal(t, []any{opened{"Ada"}, deposited{5}}, payloads(events))
		var decode *eventstore.DecodeError
		require.ErrorAs(t, err, &decode)
		require.Equal(t, int64(3), decode.Version)
		page, err := s.ReadAll(t.Context(), 0, nil)
		require.ErrorAs(t, err, &decode)
		require.Len(t, page.Events, 2)
	})
}

func TestAProtectorOfSnapshots(t *testing.T) {
	drv, h := memory.New(), new(hexProtector)
	s := open(t, drv, accounts(), &eventstore.Options{Protector: h})
	snap := eventstore.Snapshot{Stream: ada, Version: 3, State: deposited{8}}
	require.NoError(t, s.SaveSnapshot(t.Context(), snap))
	require.Equal(t, int64(3), h.seen[0].Version)
	stored, ok, err := drv.LoadSnapshot(t.Context(), ada)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "application/json+hex", stored.ContentType)

	loaded, ok, err := s.LoadSnapshot(t.Context(), ada)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, snap.State, loaded.State)

	h.redact = true
	_, _, err = s.LoadSnapshot(t.Context(), ada)
	require.ErrorAs(t, err, new(*eventstore.SnapshotError), "one that was redacted is not used: only the events tell what it would be")

	h.redact, h.err = false, errors.New("no keys")
	_, _, err = s.LoadSnapshot(t.Context(), ada)
	require.ErrorIs(t, err, h.err)
	require.NotErrorAs(t, err, new(*eventstore.SnapshotError))
	require.ErrorIs(t, s.SaveSnapshot(t.Context(), snap), h.err)
}

// panicking is a Protector that does one or the other.
type panicking struct{ protect, reveal any }

func (p panicking) Protect(context.Context, []eventstore.Payload) error { return orPanic(p.protect) }
func (p panicking) Reveal(context.Context, []eventstore.Payload) error  { return orPanic(p.reveal) }

func orPanic(with any) error {
	if with != nil {
		panic(with)
	}
	return nil
}

func TestAPanicInAProtectorIsAnErrorOfTheCall(t *testing.T) {
	drv := memory.New()
	keys := errors.New("no keys")
	writer := open(t, drv, accounts(), &eventstore.Options{Protector: panicking{protect: keys}})
	snap := eventstore.Snapshot{Stream: ada, Version: 1, State: deposited{8}}
	_, err := writer.Append(t.Context(), ada, eventstore.Any, eventstore.Events(deposited{1})...)
	require.EqualError(t, err, `eventstore: append to stream "account-ada": panic: no keys`)
	require.ErrorIs(t, err, keys)
	require.ErrorIs(t, writer.SaveSnapshot(t.Context(), snap), keys)

	reader := open(t, drv, accounts(), &eventstore.Options{Protector: panicking{reveal: "no keys"}})
	event := eventstore.NewEvent{ID: reader.NewID(), Payload: deposited{1}}
	_, err = reader.Append(t.Context(), ada, eventstore.Any, event)
	require.NoError(t, err)
	require.NoError(t, reader.SaveSnapshot(t.Context(), snap))
	const want = "eventstore: read protected events: panic: no keys"
	_, err = collect(reader.Stream(t.Context(), ada, nil))
	require.EqualError(t, err, want)
	_, err = reader.ReadAll(t.Context(), 0, nil)
	require.EqualError(t, err, want)
	_, err = reader.Append(t.Context(), ada, eventstore.Any, event)
	require.EqualError(t, err, want, "a retry is compared with what is stored")
	_, _, err = reader.LoadSnapshot(t.Context(), ada)
	require.ErrorContains(t, err, "panic: no keys")
}
