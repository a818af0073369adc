package eventstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// The release before this one knows payments that don't say how, by card only and the till in the payload.
type (
	paidOnce struct {
		Amount int
		Till   string `json:",omitempty"`
	}
	paidToday struct {
		Cents  int
		Method string
	}
	shelf struct{ Boxes int }
	rack  struct{ Crates int }
)

var paidV1, paidV2 = upcaster.V("shop.paid", 1), upcaster.V("shop.paid", 2)

func shopOnce() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[paidOnce](reg, "shop.paid")
	serializer.Register[shelf](reg, "shop.stock")
	return reg
}

func shopToday() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[paidToday](reg, "shop.paid", serializer.Version(2))
	serializer.Register[rack](reg, "shop.racks", serializer.Version(2), serializer.Alias("shop.stock"))
	return reg
}

// toToday are the steps of the shop; the till is in the metadata today.
func toToday() []upcaster.Step {
	return []upcaster.Step{
		upcaster.StructWith(paidV1, paidV2, func(e *upcaster.Event, old paidOnce) (paidToday, error) {
			if old.Till != "" {
				e.Metadata["till"] = old.Till
			}
			return paidToday{Cents: 100 * old.Amount, Method: "card"}, nil
		}),
		upcaster.Struct(upcaster.V("shop.racks", 1), upcaster.V("shop.racks", 2),
			func(old shelf) (rack, error) { return rack{old.Boxes / 2}, nil }),
	}
}

// toOnce are the steps back. What the release before does not know they lose, unless it is shells.
func toOnce() []upcaster.Step {
	return []upcaster.Step{
		upcaster.StructWith(paidV2, paidV1, func(e *upcaster.Event, now paidToday) (paidOnce, error) {
			if now.Method == "shells" {
				return paidOnce{}, errors.New("no shells yet")
			}
			till := e.Metadata["till"]
			delete(e.Metadata, "till")
			return paidOnce{Amount: now.Cents / 100, Till: till}, nil
		}),
		upcaster.Struct(upcaster.V("shop.racks", 2), upcaster.V("shop.stock", 1),
			func(now rack) (shelf, error) { return shelf{now.Crates * 2}, nil }),
	}
}

func up(t *testing.T, steps ...upcaster.Step) *upcaster.Chain {
	t.Helper()
	chain, err := upcaster.New(steps...)
	require.NoError(t, err)
	return chain
}

func down(t *testing.T, steps ...upcaster.Step) *upcaster.Downcasts {
	t.Helper()
	downcasts, err := upcaster.NewDowncasts(steps...)
	require.NoError(t, err)
	return downcasts
}

// rolling returns the stores of two releases over one database.
func rolling(t *testing.T, opts eventstore.Options) (d *memory.Store, once, today *eventstore.Store) {
	t.Helper()
	d = memory.New()
	opts.Upcasters, opts.Downcasts = up(t, toToday()...), down(t, toOnce()...)
	once, err := eventstore.New(d, shopOnce(), nil)
	require.NoError(t, err)
	return d, once, open(t, d, shopToday(), &opts)
}

func TestEachReleaseReadsWhatTheOtherWrites(t *testing.T) {
	d, once, today := rolling(t, eventstore.Options{})
	mustAppend(t, once, ada, paidOnce{Amount: 3, Till: "7"})
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{"till": "8", "by": "bo"})
	event := eventstore.NewEvent{ID: uuid.MustParse("018df6f1-0000-7000-8000-000000000001"), Tags: []string{"vip"},
		Payload: paidToday{Cents: 500, Method: "card"}, Metadata: eventstore.Metadata{"till": "9"}}
	_, err := today.Append(ctx, ada, eventstore.Exactly(1), event)
	require.NoError(t, err)

	t.Run("the one before", func(t *testing.T) {
		events, err := collect(once.Stream(t.Context(), ada, nil))
		require.NoError(t, err)
		require.Equal(t, []any{paidOnce{3, "7"}, paidOnce{5, "9"}}, payloads(events))
		require.Equal(t, eventstore.Metadata{"by": "bo"}, events[1].Metadata)
	})
	t.Run("this one, on every path", func(t *testing.T) {
		stream, err := collect(today.Stream(t.Context(), ada, nil))
		require.NoError(t, err)
		require.Equal(t, []any{paidToday{300, "card"}, paidToday{500, "card"}}, payloads(stream))
		require.Equal(t, eventstore.Metadata{"till": "7"}, stream[0].Metadata)
		require.Equal(t, eventstore.Metadata{"till": "9", "by": "bo"}, stream[1].Metadata)
		require.Equal(t, []any{event.ID, event.Tags, int64(2), "shop.paid", 2},
			[]any{stream[1].ID, stream[1].Tags, stream[1].Version, stream[1].Type, stream[1].Schema})
		all, err := collect(today.All(t.Context(), 0, &eventstore.ReadOptions{Types: []string{"shop.paid"}}))
		require.NoError(t, err)
		require.Equal(t, stream, all)
	})
	t.Run("and a third that has no Downcasts any more", func(t *testing.T) {
		next := open(t, d, shopToday(), &eventstore.Options{Upcasters: up(t, toToday()...)})
		want, err := collect(today.Stream(t.Context(), ada, nil))
		require.NoError(t, err)
		got, err := collect(next.Stream(t.Context(), ada, nil))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestARetryIsKnownWhicheverReleaseStoredTheFirst(t *testing.T) {
	d, once, today := rolling(t, eventstore.Options{})
	next := open(t, d, shopToday(), &eventstore.Options{Upcasters: up(t, toToday()...)}) // and no Downcasts
	payloads := map[*eventstore.Store]any{
		once: paidOnce{Amount: 5, Till: "7"}, today: paidToday{Cents: 500, Method: "card"}, next: paidToday{Cents: 500, Method: "card"},
	}
	for first, payload := range payloads {
		stream := eventstore.StreamID{Type: "shop", ID: uuid.NewString()}
		event := eventstore.NewEvent{ID: uuid.New(), Payload: payload}
		want, err := first.Append(t.Context(), stream, eventstore.NoStream, event)
		require.NoError(t, err)
		want.Duplicate = true
		for _, retrying := range []*eventstore.Store{today, next} {
			event.Payload = payloads[retrying]
			got, err := retrying.Append(t.Context(), stream, eventstore.NoStream, event)
			require.NoError(t, err)
			require.Equal(t, want, got)
			event.Payload = paidToday{Cents: 600, Method: "card"}
			_, err = retrying.Append(t.Context(), stream, eventstore.NoStream, event)
			require.ErrorIs(t, err, eventstore.ErrIdempotency)
		}
	}
}

func TestARetryIsKnownWhereAStepLooksAtAllThatIsStored(t *testing.T) {
	type paidThen struct{ Amount int }
	type paidNow struct {
		Amount   int
		Currency string
		At       time.Time
		Version  int64
		Position int64
	}
	then, now := serializer.NewRegistry(nil), serializer.NewRegistry(nil)
	serializer.Register[paidThen](then, "shop.paid")
	serializer.Register[paidNow](now, "shop.paid", serializer.Version(2))
	step := upcaster.StructWith(paidV1, paidV2, func(e *upcaster.Event, old paidThen) (paidNow, error) {
		return paidNow{old.Amount, e.Metadata["currency"], e.RecordedAt, e.Version, e.Position}, nil
	})
	d := memory.New()
	before, after := open(t, d, then, nil), open(t, d, now, &eventstore.Options{Upcasters: up(t, step)})
	euros := eventstore.WithMetadata(t.Context(), eventstore.Metadata{"currency": "EUR"})
	event := eventstore.NewEvent{ID: uuid.New(), Payload: paidThen{5}}
	want, err := before.Append(euros, ada, eventstore.NoStream, event)
	require.NoError(t, err)
	stored, err := collect(after.Stream(t.Context(), ada, nil))
	require.NoError(t, err)

	want.Duplicate, event.Payload = true, stored[0].Payload
	for _, ctx := range []context.Context{euros, t.Context()} { // a retry may come in another request
		got, err := after.Append(ctx, ada, eventstore.NoStream, event)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	event.Payload = paidNow{5, "GBP", stored[0].RecordedAt, 1, 1}
	_, err = after.Append(euros, ada, eventstore.NoStream, event)
	require.ErrorIs(t, err, eventstore.ErrIdempotency)
}

func TestWhatADowncastWouldLoseIsNotStored(t *testing.T) {
	_, _, today := rolling(t, eventstore.Options{})
	for _, c := range []struct {
		payload paidToday
		want    string
	}{
		{paidToday{Cents: 550, Method: "card"}, "shop.paid v2 can't be stored as shop.paid v1: read back it would differ in Cents, and"},
		{paidToday{Cents: 550, Method: "cash"}, "differ in Cents, Method, and that is lost for good"},
		{paidToday{Cents: 500, Method: "shells"}, "the step from shop.paid v2 to shop.paid v1: no shells yet"},
	} {
		_, err := today.Append(t.Context(), ada, eventstore.Any, eventstore.Events(paidToday{100, "card"}, c.payload)...)
		require.ErrorContains(t, err, `append to stream "account-ada": event 2: `)
		require.ErrorContains(t, err, c.want)
	}
	head, err := today.Head(t.Context())
	require.NoError(t, err)
	require.Zero(t, head)
}

func TestDigitsThatADowncastWouldLoseAreMissed(t *testing.T) {
	type once struct{ Sum float64 }
	v1, v2 := upcaster.V("invoiced", 1), upcaster.V("invoiced", 2)
	reg := serializer.NewRegistry(nil)
	serializer.Register[invoiced](reg, "invoiced", serializer.Version(2))
	s := open(t, memory.New(), reg, &eventstore.Options{
		Upcasters: up(t, upcaster.Struct(v1, v2, func(old once) (invoiced, error) {
			return invoiced{json.Number(strconv.FormatFloat(old.Sum, 'f', 2, 64))}, nil
		})),
		Downcasts: down(t, upcaster.Struct(v2, v1, func(now invoiced) (once, error) {
			sum, err := now.Sum.Float64()
			return once{sum}, err
		})),
	})
	mustAppend(t, s, ada, invoiced{"42.1"})
	_, err := s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(invoiced{"12345678901234567.89"})...)
	require.ErrorContains(t, err, "invoiced v2 can't be stored as invoiced v1: read back it would differ in Sum, and that is lost for good")
}

func TestSnapshotsAreStoredAsTheReleaseBeforeReadsThem(t *testing.T) {
	d, once, today := rolling(t, eventstore.Options{})
	require.NoError(t, today.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 1, State: rack{3}}))
	stored, _, err := d.LoadSnapshot(t.Context(), ada)
	require.NoError(t, err)
	require.Equal(t, `shop.stock {"Boxes":6}`, stored.Type+" "+string(stored.Data))
	for store, want := range map[*eventstore.Store]any{once: shelf{6}, today: rack{3}} {
		snap, ok, err := store.LoadSnapshot(t.Context(), ada)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, snap.State)
	}
}

func TestASnapshotThatADowncastWouldChangeIsNotStored(t *testing.T) {
	for name, c := range map[string]struct {
		step upcaster.Step
		want string
	}{
		"by losing something": {upcaster.Struct(upcaster.V("shop.racks", 2), upcaster.V("shop.racks", 1),
			func(rack) (shelf, error) { return shelf{}, nil }), "read back it would differ in Crates"},
		"by putting something where it has no room": {upcaster.StructWith(upcaster.V("shop.racks", 2), upcaster.V("shop.racks", 1),
			func(e *upcaster.Event, now rack) (shelf, error) {
				require.Equal(t, []any{"account", "ada", int64(1)}, []any{e.StreamType, e.StreamID, e.Version})
				e.Metadata["crates"] = "3"
				return shelf{6}, nil
			}), "its metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, memory.New(), shopToday(), &eventstore.Options{Upcasters: up(t, toToday()...), Downcasts: down(t, c.step)})
			err := s.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 1, State: rack{3}})
			require.ErrorContains(t, err, c.want)
			_, ok, err := s.LoadSnapshot(t.Context(), ada)
			require.NoError(t, err)
			require.False(t, ok)
		})
	}
}

func TestNewChecksDowncasts(t *testing.T) {
	for name, c := range map[string]struct {
		steps []upcaster.Step
		up    []upcaster.Step
		want  string // empty if there is nothing wrong
	}{
		"one that takes an earlier version": {[]upcaster.Step{upcaster.Rename(paidV1, upcaster.V("shop.sold", 1))}, nil,
			"a downcast takes shop.paid v1, which is not what is written today"},
		"one that takes an alias": {[]upcaster.Step{upcaster.Rename(upcaster.V("shop.stock", 2), upcaster.V("shop.stock", 1))}, nil,
			"a downcast takes shop.stock v2, which is not what is written today"},
		"one that takes what nobody registered": {[]upcaster.Step{upcaster.Rename(upcaster.V("shop.sold", 2), upcaster.V("shop.sold", 1))}, nil,
			"a downcast takes shop.sold v2, which is not what is written today"},
		"one from which no step leads back": {[]upcaster.Step{upcaster.Rename(paidV2, upcaster.V("shop.sold", 1))}, nil,
			"downcasts have shop.paid v2 stored as shop.sold v1, which no upcaster step takes back there"},
		"one that leads to another event of today": {[]upcaster.Step{upcaster.Rename(paidV2, upcaster.V("shop.racks", 2))}, nil,
			"downcasts have shop.paid v2 stored as shop.racks v2"},
		"one of two that is wrong": {[]upcaster.Step{splitTo(paidV2, paidV1, upcaster.V("shop.sold", 1))}, nil,
			"downcasts have shop.paid v2 stored as shop.sold v1"},
		"one to an alias at today's version": {[]upcaster.Step{upcaster.Rename(upcaster.V("shop.racks", 2), upcaster.V("shop.stock", 2))}, nil, ""},
		"two in a row": {[]upcaster.Step{upcaster.Rename(paidV2, paidV1), upcaster.Rename(paidV1, upcaster.V("shop.sold", 1))},
			[]upcaster.Step{upcaster.Rename(upcaster.V("shop.sold", 1), paidV1)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := eventstore.New(memory.New(), shopToday(), &eventstore.Options{
				Upcasters: up(t, append(toToday(), c.up...)...), Downcasts: down(t, c.steps...)})
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "eventstore: "+c.want)
			}
		})
	}
	t.Run("without upcasters", func(t *testing.T) {
		_, err := eventstore.New(memory.New(), shopToday(), &eventstore.Options{Downcasts: down(t, toOnce()...)})
		require.ErrorContains(t, err, "downcasts have shop.paid v2 stored as shop.paid v1, which no upcaster step takes back there")
	})
}

func splitTo(from upcaster.Type, to ...upcaster.Type) upcaster.Step {
	return upcaster.Split(from, to, func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
		e.Type = to[0]
		return []upcaster.Event{e}, nil
	})
}

// Steps that New can't look into may lead elsewhere for what they are given.
func TestADowncastThatIsReadAsSomethingElseIsRefused(t *testing.T) {
	elsewhere := upcaster.V("shop.sold", 1)
	for want, back := range map[string]func(e upcaster.Event) []upcaster.Event{
		"upcasters make nothing of it":                         func(upcaster.Event) []upcaster.Event { return nil },
		"upcasters make shop.paid v2 and shop.paid v2 of it":   func(e upcaster.Event) []upcaster.Event { return []upcaster.Event{e, e} },
		"it can't be read back: upcaster: the step from shop.": func(upcaster.Event) []upcaster.Event { panic("no") },
		"it can't be read back: serializer: decode shop.paid v2": func(e upcaster.Event) []upcaster.Event {
			e.Data = []byte("{")
			return []upcaster.Event{e}
		},
	} {
		split := upcaster.Split(elsewhere, []upcaster.Type{paidV2}, func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
			e.Type = paidV2
			return back(e), nil
		})
		s := open(t, memory.New(), shopToday(), &eventstore.Options{Upcasters: up(t, append(toToday(), split)...),
			Downcasts: down(t, upcaster.Rename(paidV2, elsewhere))})
		_, err := s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(paidToday{})...)
		require.ErrorContains(t, err, "shop.paid v2 can't be stored as shop.sold v1: "+want)
	}
}

func TestADowncastMayNotMakeAPayloadTooLarge(t *testing.T) {
	huge := upcaster.Split(paidV2, []upcaster.Type{paidV1}, func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
		e.Type = paidV1
		e.Data = append(make([]byte, 0, 65<<20), `{"Amount":1}`...)
		for len(e.Data) <= 64<<20 {
			e.Data = append(e.Data, "                                                                "...)
		}
		return []upcaster.Event{e}, nil
	})
	s := open(t, memory.New(), shopToday(), &eventstore.Options{Upcasters: up(t, toToday()...), Downcasts: down(t, huge)})
	_, err := s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(paidToday{100, "card"})...)
	require.ErrorContains(t, err, "bytes long; 67108864 are allowed")
}

// curious shows what it is given and has the downcast done to something else too.
type curious struct {
	seen  []eventstore.Payload
	other any
	got   serializer.Encoded
	err   error
}

func (f *curious) Protect(_ context.Context, payloads []eventstore.Payload) error {
	f.seen = append(f.seen, payloads...)
	for _, p := range payloads {
		if p.Downcast == nil {
			continue
		}
		enc, err := shopToday().Encode(f.other)
		if err != nil {
			return err
		}
		f.got, f.err = p.Downcast(enc)
	}
	return nil
}

func (*curious) Reveal(context.Context, []eventstore.Payload) error { return nil }

func TestAProtectorMayDowncastWhatItPutsInThePlaceOfAnEvent(t *testing.T) {
	protector := &curious{other: paidToday{Cents: 900, Method: "card"}}
	d, _, today := rolling(t, eventstore.Options{Protector: protector})
	mustAppend(t, today, ada, paidToday{Cents: 500, Method: "card"})
	require.NoError(t, protector.err)
	require.Equal(t, `shop.paid 1 {"Amount":9}`, text(protector.got))
	require.Equal(t, `shop.paid 1 {"Amount":5}`, text(protector.seen[0].Encoded), "Protect comes after the downcast")
	require.Equal(t, paidToday{Cents: 500, Method: "card"}, protector.seen[0].Value)

	t.Run("and a snapshot", func(t *testing.T) {
		protector.other = rack{4}
		require.NoError(t, today.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: ada, Version: 1, State: rack{3}}))
		require.NoError(t, protector.err)
		require.Equal(t, `shop.stock 1 {"Boxes":8}`, text(protector.got))
		stored, _, err := d.LoadSnapshot(t.Context(), ada)
		require.NoError(t, err)
		require.Equal(t, `{"Boxes":6}`, string(stored.Data))
	})
	t.Run("which is told that its metadata gives it away", func(t *testing.T) {
		reveal := upcaster.StructWith(paidV2, paidV1, func(e *upcaster.Event, now paidToday) (paidOnce, error) {
			e.Metadata["cents"] = time.Duration(now.Cents).String()
			return paidOnce{Amount: now.Cents / 100}, nil
		})
		clear := upcaster.StructWith(paidV1, paidV2, func(e *upcaster.Event, old paidOnce) (paidToday, error) {
			delete(e.Metadata, "cents")
			return paidToday{Cents: 100 * old.Amount, Method: "card"}, nil
		})
		protector := &curious{other: paidToday{Cents: 900, Method: "card"}}
		s := open(t, memory.New(), shopToday(), &eventstore.Options{Upcasters: up(t, clear), Downcasts: down(t, reveal), Protector: protector})
		mustAppend(t, s, ada, paidToday{Cents: 500, Method: "card"})
		require.ErrorContains(t, protector.err, "downcasts put into the metadata")
	})
	t.Run("and of other events there is nothing to downcast", func(t *testing.T) {
		protector := &curious{}
		s := open(t, memory.New(), shopToday(), &eventstore.Options{Protector: protector})
		mustAppend(t, s, ada, paidToday{Cents: 500, Method: "card"})
		require.Len(t, protector.seen, 1)
		require.Nil(t, protector.seen[0].Downcast)
	})
}

func text(e serializer.Encoded) string {
	return e.Type + " " + string(rune('0'+e.Schema)) + " " + string(e.Data)
}
