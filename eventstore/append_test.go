package eventstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestBadInputIsRefusedWithTheRuleAndWritesNothing(t *testing.T) {
	s := openMemory(t)
	good := eventstore.Events(opened{"Ada"})
	for name, c := range map[string]struct {
		stream   eventstore.StreamID
		expected eventstore.ExpectedVersion
		events   []eventstore.NewEvent
		want     string
	}{
		"an empty stream type":        {eventstore.StreamID{ID: "1"}, 0, good, `stream type "" is empty`},
		"a hyphen in the stream type": {eventstore.StreamID{Type: "a-b", ID: "1"}, 0, good, `"a-b" contains a hyphen`},
		"an empty id":                 {eventstore.StreamID{Type: "account"}, 0, good, `stream id "" of type "account" is empty`},
		"an id that is too long":      {eventstore.StreamID{Type: "account", ID: strings.Repeat("x", 256)}, 0, good, "256 bytes long; 255 are allowed"},
		"an id with NUL":              {eventstore.StreamID{Type: "account", ID: "a\x00"}, 0, good, "contains a NUL"},
		"an id that is not UTF-8":     {eventstore.StreamID{Type: "account", ID: "\xff"}, 0, good, "not valid UTF-8"},
		"a negative version":          {ada, eventstore.Exactly(-1), good, "expected version is negative"},
		"an unregistered payload":     {ada, 0, eventstore.Events(opened{}, struct{ X int }{1}), "event 2: serializer: unknown type: struct { X int } is not registered"},
		"no payload":                  {ada, 0, eventstore.Events(nil), "event 1"},
		"an empty tag":                {ada, 0, []eventstore.NewEvent{{Payload: closed{}, Tags: []string{""}}}, `tag "" is empty`},
		"metadata that is not UTF-8":  {ada, 0, []eventstore.NewEvent{{Payload: closed{}, Metadata: eventstore.Metadata{"k": "\xff"}}}, `metadata "k" is not valid UTF-8`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Append(t.Context(), c.stream, c.expected, c.events...)
			require.ErrorContains(t, err, c.want)
			head, err := s.Head(t.Context())
			require.NoError(t, err)
			require.Zero(t, head)
		})
	}
}

func TestWhatIsTooLargeForADatabaseIsRefusedByItsSize(t *testing.T) {
	s := open(t, memory.New(), blobs(), nil)
	tags := slices.Repeat([]string{strings.Repeat("x", 255)}, 1<<18)
	for name, c := range map[string]struct {
		events []eventstore.NewEvent
		want   string
	}{
		"a payload": {eventstore.Events(blob(make([]byte, 64<<20+1))), "event 1: payload of account.blob is 67108865 bytes long; 67108864 are allowed"},
		"metadata":  {[]eventstore.NewEvent{{Payload: closed{}, Metadata: eventstore.Metadata{"k": strings.Repeat("x", 16<<20)}}}, "event 1: metadata of account.closed is 16777224 bytes long; 16777216 are allowed"},
		"an append": {eventstore.Events(slices.Repeat([]any{blob(make([]byte, 60<<20))}, 5)...), "with event 5 it comes to more than the 268435456 bytes"},
		"many tags": {slices.Repeat([]eventstore.NewEvent{{Payload: closed{}, Tags: tags}}, 5), "with event 5 it comes to more"},
	} {
		_, err := s.Append(t.Context(), ada, eventstore.Any, c.events...)
		require.ErrorContains(t, err, `append to stream "account-ada": `, name)
		require.ErrorContains(t, err, c.want, name)
		require.False(t, eventstore.Retryable(err), name)
	}
	_, err := s.AppendAll(t.Context(), eventstore.Write{Stream: ada, Events: eventstore.Events(slices.Repeat([]any{blob(make([]byte, 60<<20))}, 3)...)},
		eventstore.Write{Stream: account(2), Events: eventstore.Events(slices.Repeat([]any{blob(make([]byte, 60<<20))}, 2)...)})
	require.ErrorContains(t, err, `append to stream "account-2": with event 2 it comes to more`)
	head, err := s.Head(t.Context())
	require.NoError(t, err)
	require.Zero(t, head)
}

func TestAStreamTwiceInOneCallIsRefused(t *testing.T) {
	s := openMemory(t)
	_, err := s.AppendAll(t.Context(), eventstore.Write{Stream: ada}, eventstore.Write{Stream: ada})
	require.ErrorContains(t, err, `stream "account-ada" stands in the call twice`)
}

func TestAnIDTwiceInOneCallIsRefused(t *testing.T) {
	s := openMemory(t)
	e := eventstore.NewEvent{ID: uuid.New(), Payload: closed{}}
	_, err := s.Append(t.Context(), ada, eventstore.Any, e, e)
	require.ErrorIs(t, err, eventstore.ErrIdempotency)
	require.ErrorContains(t, err, e.ID.String())
}

func TestEveryEventGetsAnIDATimeAndItsMetadata(t *testing.T) {
	local := time.FixedZone("east", 3600)
	now := time.Date(2026, 11, 22, 12, 0, 0, 123456789, local)
	s := open(t, memory.New(), accounts(), &eventstore.Options{Now: func() time.Time { return now }})
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{eventstore.KeyCorrelationID: "request-1", "user": "ada"})
	ctx = eventstore.WithMetadata(ctx, eventstore.Metadata{"user": "bob"})
	_, err := s.Append(ctx, ada, eventstore.NoStream,
		eventstore.NewEvent{Payload: opened{"Ada"}},
		eventstore.NewEvent{Payload: closed{}, Metadata: eventstore.Metadata{"user": "eve"}, Tags: []string{"b", "a"}})
	require.NoError(t, err)

	events, err := collect(s.Stream(t.Context(), ada, nil))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 22, 11, 0, 0, 123456000, time.UTC), events[0].RecordedAt)
	require.Equal(t, uuid.Version(7), events[0].ID.Version())
	require.Equal(t, eventstore.Metadata{"correlation_id": "request-1", "user": "bob"}, events[0].Metadata)
	require.Equal(t, eventstore.Metadata{"correlation_id": "request-1", "user": "eve"}, events[1].Metadata)
	require.Nil(t, events[0].Tags)
	require.Equal(t, []string{"b", "a"}, events[1].Tags)
}

func TestARetryIsAnsweredOnlyIfItIsTheWholeOfAnEarlierAppend(t *testing.T) {
	s := openMemory(t)
	one := eventstore.NewEvent{ID: uuid.New(), Payload: deposited{1}, Tags: []string{"t"}}
	two := eventstore.NewEvent{ID: uuid.New(), Payload: deposited{2}}
	other := eventstore.NewEvent{ID: uuid.New(), Payload: deposited{3}}
	first, err := s.Append(t.Context(), ada, eventstore.NoStream, one, two)
	require.NoError(t, err)
	third, err := s.Append(t.Context(), ada, eventstore.Any, other)
	require.NoError(t, err)
	first.Duplicate = true

	t.Run("a retry gets the first receipt, whatever it expects, in whatever request", func(t *testing.T) {
		ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{"request": "2"})
		for _, expected := range []eventstore.ExpectedVersion{eventstore.NoStream, eventstore.Any, eventstore.Exactly(77)} {
			again, err := s.Append(ctx, ada, expected, one, two)
			require.NoError(t, err)
			require.Equal(t, first, again)
		}
	})
	t.Run("a retry of AppendAll gets the version of a stream that it only checked", func(t *testing.T) {
		receipts, err := s.AppendAll(t.Context(),
			eventstore.Write{Stream: ada, Expected: eventstore.Exactly(9), Events: []eventstore.NewEvent{other}},
			eventstore.Write{Stream: eventstore.StreamID{Type: "account", ID: "bob"}, Expected: eventstore.NoStream})
		require.NoError(t, err)
		require.Equal(t, third.Position, receipts[0].Position)
		require.Zero(t, receipts[1].Version)
	})

	changed, untagged, fresh := one, one, eventstore.NewEvent{ID: uuid.New(), Payload: closed{}}
	changed.Payload = deposited{100}
	untagged.Tags = nil
	bob := eventstore.StreamID{Type: "account", ID: "bob"}
	for name, c := range map[string]struct {
		stream eventstore.StreamID
		events []eventstore.NewEvent
	}{
		"other content":              {ada, []eventstore.NewEvent{changed, two}},
		"other tags":                 {ada, []eventstore.NewEvent{untagged, two}},
		"another stream":             {bob, []eventstore.NewEvent{one, two}},
		"the first part":             {ada, []eventstore.NewEvent{one}},
		"the last part":              {ada, []eventstore.NewEvent{two}},
		"another order":              {ada, []eventstore.NewEvent{two, one}},
		"one new event more":         {ada, []eventstore.NewEvent{one, two, fresh}},
		"two appends taken together": {ada, []eventstore.NewEvent{one, two, other}},
		"the ends of two appends":    {ada, []eventstore.NewEvent{two, other}},
	} {
		t.Run(name+" is ErrIdempotency", func(t *testing.T) {
			_, err := s.Append(t.Context(), c.stream, eventstore.Any, c.events...)
			require.ErrorIs(t, err, eventstore.ErrIdempotency)
			require.NotErrorIs(t, err, eventstore.ErrConflict)
		})
	}
	head, err := s.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, third.Position, head)
}

func TestAConflictSaysWhatItMet(t *testing.T) {
	s := openMemory(t)
	mustAppend(t, s, ada, opened{"Ada"}, deposited{1})
	_, err := s.Append(t.Context(), ada, eventstore.Exactly(1), eventstore.Events(closed{})...)
	var conflict *eventstore.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, &eventstore.ConflictError{Stream: ada, Expected: 1, Actual: 2}, conflict)
	require.EqualError(t, err, `eventstore: conflict: stream "account-ada" is at version 2, expected version 1: load it again and decide anew`)
	require.True(t, eventstore.Retryable(err))

	_, err = s.Append(t.Context(), eventstore.StreamID{Type: "account", ID: "bob"}, eventstore.StreamExists)
	require.ErrorIs(t, err, eventstore.ErrStreamNotFound)
	require.ErrorIs(t, err, eventstore.ErrConflict)
	require.ErrorContains(t, err, `stream "account-bob" does not exist, expected an existing stream`)
}

// racing loses the first races, as a database does that reports a unique violation or a deadlock.
type racing struct {
	*memory.Store
	mu        sync.Mutex
	left      int
	contended []bool
}

func (r *racing) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	r.mu.Lock()
	r.contended = append(r.contended, writes[0].Contended)
	lose := r.left > 0
	r.left--
	r.mu.Unlock()
	if lose {
		return nil, driver.ErrRace
	}
	return r.Store.Commit(ctx, writes)
}

func TestALostRaceIsTriedAgainWithAWarningToTheDriver(t *testing.T) {
	d := &racing{Store: memory.New(), left: 2}
	s := open(t, d, accounts(), nil)
	require.EqualValues(t, 1, mustAppend(t, s, ada, opened{"Ada"}).Version)
	require.Equal(t, []bool{false, true, true}, d.contended)
}

func TestARaceLostForeverIsARetryableError(t *testing.T) {
	s := open(t, &racing{Store: memory.New(), left: 1 << 30}, accounts(), nil)
	_, err := s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(closed{})...)
	require.True(t, eventstore.Retryable(err))
	require.ErrorContains(t, err, `append to stream "account-ada"`)
}

// dooming is a driver whose first transaction is doomed by its first append.
type dooming struct {
	*memory.Store
	tries int
}

type insideDooming struct{}

func (d *dooming) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	if d.tries++; d.tries == 1 {
		return nil, driver.ErrDoomed
	}
	return d.Store.Commit(ctx, writes)
}

func (d *dooming) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	return fn(context.WithValue(ctx, insideDooming{}, true))
}

func (d *dooming) InTransaction(ctx context.Context) (bool, error) {
	return ctx.Value(insideDooming{}) != nil, nil
}

func (d *dooming) OnEnd(_ context.Context, f func(committed bool)) { f(true) }

func TestAnAppendIsNotTriedAgainInATransactionThatIsDoomed(t *testing.T) {
	d := &dooming{Store: memory.New()}
	s := open(t, d, accounts(), nil)
	try := func(ctx context.Context) error {
		_, err := s.Append(ctx, ada, eventstore.Any, eventstore.Events(closed{})...)
		return err
	}
	err := s.Transact(t.Context(), try)
	require.ErrorIs(t, err, driver.ErrDoomed)
	require.True(t, eventstore.Retryable(err), "as a whole")
	require.Equal(t, 1, d.tries)
	require.NoError(t, s.Transact(t.Context(), try))
}

func TestAnAppendThatHasItsOwnTransactionIsTriedAgainInAnotherWhenThatIsDoomed(t *testing.T) {
	d := &dooming{Store: memory.New()}
	s := open(t, d, accounts(), nil)
	require.NoError(t, s.OnAppend(func(context.Context, []eventstore.Event) error { return nil }))
	mustAppend(t, s, ada, opened{"Ada"})
	require.Equal(t, 2, d.tries)
}

func TestACancelledContextWritesNothing(t *testing.T) {
	s := openMemory(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Append(ctx, ada, eventstore.Any, eventstore.Events(closed{})...)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, eventstore.Retryable(err))
	events, err := collect(s.Stream(t.Context(), ada, nil))
	require.NoError(t, err)
	require.Empty(t, events)
}

func TestRetryableKnowsWhatMayHelp(t *testing.T) {
	require.True(t, eventstore.Retryable(driver.ErrUnavailable))
	require.True(t, eventstore.Retryable(&eventstore.ConflictError{}))
	require.False(t, eventstore.Retryable(errors.Join(driver.ErrUnavailable, context.DeadlineExceeded)))
	require.False(t, eventstore.Retryable(eventstore.ErrIdempotency))
	require.False(t, eventstore.Retryable(nil))
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s, err := eventstore.New(memory.New(), accounts(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(closed{})...)
	require.ErrorIs(t, err, eventstore.ErrClosed)
	_, err = s.Head(t.Context())
	require.ErrorIs(t, err, eventstore.ErrClosed)
	_, err = collect(s.Stream(t.Context(), ada, nil))
	require.ErrorIs(t, err, eventstore.ErrClosed)
	_, err = collect(s.Subscribe(t.Context(), 0, nil))
	require.ErrorIs(t, err, eventstore.ErrClosed)
}

// forgetful is a driver that loses count of its receipts.
type forgetful struct{ driver.Store }

func (forgetful) Commit(context.Context, []driver.Write) ([]driver.Receipt, error) { return nil, nil }

func TestAppendThroughADriverThatReturnsTooFewReceipts(t *testing.T) {
	store := open(t, forgetful{memory.New()}, accounts(), nil)
	_, err := store.Append(t.Context(), ada, eventstore.Any, eventstore.Events(opened{"Ada"})...)
	require.ErrorContains(t, err, "outcome unknown, the driver returned 0 receipts for 1 writes")
}
