package eventstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// What the program of some years ago wrote.
type (
	oldDeposit struct{ Sum int }             // account.paid_in v1, today account.deposited v2 {Amount}
	oldMove    struct{ Out, In int }         // account.moved v1, today two events
	oldNoise   struct{ Text string }         // account.noise v1, today nothing
	withdrawn  struct{ Amount int }          // account.withdrawn v1
	renamed    struct{ Why string }          // account.shut, today account.closed by alias
	newClosed  struct{ Why string }          // account.closed
	newDeposit struct{ Amount, Version int } // account.deposited v2
)

func oldRegistry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[oldDeposit](reg, "account.paid_in")
	serializer.Register[oldMove](reg, "account.moved")
	serializer.Register[oldNoise](reg, "account.noise")
	serializer.Register[renamed](reg, "account.shut")
	return reg
}

func newRegistry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[newDeposit](reg, "account.deposited", serializer.Version(2))
	serializer.Register[withdrawn](reg, "account.withdrawn")
	serializer.Register[newClosed](reg, "account.closed", serializer.Alias("account.shut"))
	return reg
}

func steps(t *testing.T) *upcaster.Chain {
	chain, err := upcaster.New(
		upcaster.Rename(upcaster.V("account.paid_in", 1), upcaster.V("account.deposited", 1)),
		upcaster.Map(upcaster.V("account.deposited", 1), upcaster.V("account.deposited", 2), func(f map[string]any) error {
			f["Amount"], f["Version"] = f["Sum"], 2
			delete(f, "Sum")
			return nil
		}),
		upcaster.Split(upcaster.V("account.moved", 1),
			[]upcaster.Type{upcaster.V("account.withdrawn", 1), upcaster.V("account.paid_in", 1)}, splitMove),
		upcaster.Drop(upcaster.V("account.noise", 1)),
	)
	require.NoError(t, err)
	return chain
}

func splitMove(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
	var move oldMove
	if err := c.Unmarshal(e.Data, &move); err != nil {
		return nil, err
	}
	out, in := e, e
	out.Type, in.Type = upcaster.V("account.withdrawn", 1), upcaster.V("account.paid_in", 1)
	out.Data = fmt.Appendf(nil, `{"Amount":%d}`, move.Out)
	in.Data = fmt.Appendf(nil, `{"Sum":%d}`, move.In)
	return []upcaster.Event{out, in}, nil
}

// evolved returns a store of today's program over what the old one wrote.
func evolved(t *testing.T) *eventstore.Store {
	d := memory.New()
	old := open(t, d, oldRegistry(), nil)
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{"by": "old"})
	_, err := old.Append(ctx, ada, eventstore.Any,
		eventstore.Events(oldDeposit{1}, oldMove{2, 3}, oldNoise{"psst"}, renamed{"bored"}, oldNoise{"bye"})...)
	require.NoError(t, err)
	s, err := eventstore.New(d, newRegistry(), &eventstore.Options{Upcasters: steps(t)})
	require.NoError(t, err)
	return s
}

func TestUpcastersGiveTheSameEventsOnEveryReadPath(t *testing.T) {
	s := evolved(t)
	want := []any{newDeposit{1, 2}, withdrawn{2}, newDeposit{3, 2}, newClosed{"bored"}}

	stream, err := collect(s.Stream(t.Context(), ada, nil))
	require.NoError(t, err)
	require.Equal(t, want, payloads(stream))

	all, err := collect(s.All(t.Context(), 0, nil))
	require.NoError(t, err)
	require.Equal(t, stream, all)

	page, err := s.ReadAll(t.Context(), 0, nil)
	require.NoError(t, err)
	require.Equal(t, stream, page.Events)
	require.EqualValues(t, 5, page.Next)

	followed, err := collect(s.Subscribe(t.Context(), 0, &eventstore.ReadOptions{Limit: 5}))
	require.NoError(t, err)
	require.Equal(t, stream, followed)

	t.Run("version, position, id, time and metadata stay the stored ones", func(t *testing.T) {
		raw, err := collect(s.Stream(t.Context(), ada, &eventstore.StreamOptions{Raw: true}))
		require.NoError(t, err)
		require.Len(t, raw, 5)
		require.Equal(t, `{"Out":2,"In":3}`, string(raw[1].Raw))
		require.Equal(t, "account.shut", raw[3].Type)
		for i, part := range []int{0, 0, 1} {
			stored := raw[min(i, 1)]
			e := stream[i]
			require.Equal(t, part, e.Part)
			require.Equal(t, []any{stored.Version, stored.Position, stored.ID, stored.RecordedAt, stored.Metadata},
				[]any{e.Version, e.Position, e.ID, e.RecordedAt, e.Metadata})
		}
		require.Equal(t, []any{"account.deposited", 2, "account.closed", 1},
			[]any{stream[0].Type, stream[0].Schema, stream[3].Type, stream[3].Schema})
	})
	t.Run("Reached counts a dropped last event", func(t *testing.T) {
		var reached int64
		_, err := collect(s.Stream(t.Context(), ada, &eventstore.StreamOptions{Reached: func(v int64) { reached = v }}))
		require.NoError(t, err)
		require.EqualValues(t, 5, reached)
	})
}

func TestAFilterByCurrentNamesFindsWhatWasStoredUnderOldOnes(t *testing.T) {
	s := evolved(t)
	for name, want := range map[string][]any{
		"account.deposited": {newDeposit{1, 2}, newDeposit{3, 2}},
		"account.withdrawn": {withdrawn{2}},
		"account.closed":    {newClosed{"bored"}},
		"account.shut":      {newClosed{"bored"}}, // the alias stands for the name
		"account.nothing":   {},
	} {
		page, err := s.ReadAll(t.Context(), 0, &eventstore.ReadOptions{Types: []string{name}})
		require.NoError(t, err)
		require.Equal(t, want, payloads(page.Events), name)
		require.EqualValues(t, 5, page.Next, name)
	}
}

func TestAnEventThatCanNotBeDecodedEndsTheReadWithItsName(t *testing.T) {
	d := memory.New()
	old := open(t, d, oldRegistry(), nil)
	mustAppend(t, old, ada, renamed{"fine"}, oldNoise{"unknown today"}, renamed{"never reached"})
	s, err := eventstore.New(d, newRegistry(), nil)
	require.NoError(t, err)

	events, err := collect(s.Stream(t.Context(), ada, nil))
	require.Equal(t, []any{newClosed{"fine"}}, payloads(events))
	var broken *eventstore.DecodeError
	require.ErrorAs(t, err, &broken)
	require.Equal(t, []any{ada, int64(2), int64(2), "account.noise", 1},
		[]any{broken.Stream, broken.Version, broken.Position, broken.Type, broken.Schema})
	require.ErrorIs(t, err, eventstore.ErrUnknownEvent)
	require.ErrorContains(t, err, `can't decode account.noise v1, version 2 of stream "account-ada" (position 2)`)

	t.Run("ReadAll returns the page up to it", func(t *testing.T) {
		page, err := s.ReadAll(t.Context(), 0, nil)
		require.ErrorAs(t, err, &broken)
		require.Equal(t, []any{newClosed{"fine"}}, payloads(page.Events))
		require.EqualValues(t, 1, page.Next)
	})
	t.Run("a raw read shows it", func(t *testing.T) {
		events, err := collect(s.All(t.Context(), 0, &eventstore.ReadOptions{Raw: true}))
		require.NoError(t, err)
		require.Equal(t, `{"Text":"unknown today"}`, string(events[1].Raw))
		require.Nil(t, events[1].Payload)
	})
}

func TestNewRefusesUpcastersThatLeadNowhere(t *testing.T) {
	_, err := eventstore.New(memory.New(), oldRegistry(), &eventstore.Options{Upcasters: steps(t)})
	require.ErrorContains(t, err, "account.deposited v2, which is not registered")
}

func TestNewRefusesAStepThatTakesWhatIsWrittenToday(t *testing.T) {
	chain, err := upcaster.New(upcaster.Drop(upcaster.V("account.closed", 1)))
	require.NoError(t, err)
	_, err = eventstore.New(memory.New(), accounts(), &eventstore.Options{Upcasters: chain})
	require.ErrorContains(t, err, "an upcaster step takes account.closed v1, which is registered as today's")
}

func TestNewReturnsTheMistakesOfTheRegistry(t *testing.T) {
	reg := accounts()
	serializer.Register[withdrawn](reg, "account.opened")
	_, err := eventstore.New(memory.New(), reg, nil)
	require.ErrorContains(t, err, "account.opened")
	_, err = eventstore.New(nil, reg, nil)
	require.ErrorContains(t, err, "driver")
	_, err = eventstore.New(memory.New(), nil, nil)
	require.ErrorContains(t, err, "registry")
}

func TestNewReturnsTheMistakesOfTheRegistryAndOfTheUpcasters(t *testing.T) {
	chain, err := upcaster.New(upcaster.Drop(upcaster.V("account.closed", 1)))
	require.NoError(t, err)
	reg := accounts()
	serializer.Register[withdrawn](reg, "account.opened")
	_, err = eventstore.New(memory.New(), reg, &eventstore.Options{Upcasters: chain})
	require.ErrorContains(t, err, `register "account.opened"`)
	require.ErrorContains(t, err, "an upcaster step takes account.closed v1")
}

// damaged hands out records with a hole or with broken metadata.
type damaged struct {
	*memory.Store
	harm func([]driver.Record) []driver.Record
}

func (d *damaged) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	page, err := d.Store.ReadStream(ctx, q)
	return d.harm(page), err
}

func TestADamagedStreamIsAnErrorAndNeverAShortRead(t *testing.T) {
	hole := func(p []driver.Record) []driver.Record { return append(p[:1:1], p[2:]...) }
	tail := func(p []driver.Record) []driver.Record { p[2].Metadata = []byte("{"); return p }
	for want, harm := range map[string]func([]driver.Record) []driver.Record{
		"version 2 is missing": hole, "metadata": tail,
	} {
		s := open(t, &damaged{memory.New(), harm}, accounts(), nil)
		mustAppend(t, s, ada, deposited{1}, deposited{2}, deposited{3})
		for _, backward := range []bool{false, true} {
			_, err := collect(s.Stream(t.Context(), ada, &eventstore.StreamOptions{Backward: backward}))
			require.Error(t, err)
			require.True(t, strings.Contains(err.Error(), want), err)
		}
	}
}

func TestUpcastersSeeEverythingThatIsStoredOfAnEvent(t *testing.T) {
	d := memory.New()
	old := open(t, d, oldRegistry(), nil)
	mustAppend(t, old, eventstore.StreamID{Type: "account", ID: "other"}, oldNoise{"psst"})
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{"by": "old"})
	_, err := old.Append(ctx, ada, eventstore.Any, eventstore.NewEvent{Payload: oldNoise{"1"}},
		eventstore.NewEvent{Payload: oldDeposit{1}, Tags: []string{"vip"}})
	require.NoError(t, err)

	var seen upcaster.Event
	chain, err := upcaster.New(upcaster.Drop(upcaster.V("account.noise", 1)), upcaster.StructWith(upcaster.V("account.paid_in", 1),
		upcaster.V("account.deposited", 2), func(e *upcaster.Event, old oldDeposit) (newDeposit, error) {
			seen = *e
			return newDeposit{old.Sum, 2}, nil
		}))
	require.NoError(t, err)
	s, err := eventstore.New(d, newRegistry(), &eventstore.Options{Upcasters: chain})
	require.NoError(t, err)
	raw, err := collect(s.Stream(t.Context(), ada, &eventstore.StreamOptions{From: 2, Raw: true}))
	require.NoError(t, err)
	_, err = collect(s.Stream(t.Context(), ada, nil))
	require.NoError(t, err)
	stored := raw[0]
	require.Equal(t, upcaster.Event{Type: upcaster.V("account.paid_in", 1), ContentType: "application/json", Data: stored.Raw,
		Metadata: stored.Metadata, Tags: stored.Tags, RecordedAt: stored.RecordedAt, ID: stored.ID, StreamType: "account",
		StreamID: "ada", Version: 2, Position: 3}, seen)
}
