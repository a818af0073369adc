package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// gated lets no commit land before it is told to, and writes down what flew together.
type gated struct {
	*memory.Store
	gate chan error // what a flight receives is its failure, if any

	mu      sync.Mutex
	flights []int // commits in each
}

func newGated() *gated { return &gated{Store: memory.New(), gate: make(chan error)} }

func (g *gated) fly(n int) error {
	g.mu.Lock()
	g.flights = append(g.flights, n)
	g.mu.Unlock()
	return <-g.gate
}

func (g *gated) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	if err := g.fly(1); err != nil {
		return nil, err
	}
	return g.Store.Commit(ctx, writes)
}

func (g *gated) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	if err := g.fly(len(commits)); err != nil {
		return nil, err
	}
	return g.Store.CommitBatch(ctx, commits)
}

// caller appends in a goroutine of its own and keeps the outcome.
type caller struct {
	receipt eventstore.Receipt
	err     error
	done    chan struct{}
}

func call(ctx context.Context, s *eventstore.Store, stream eventstore.StreamID, expected eventstore.ExpectedVersion, events ...eventstore.NewEvent) *caller {
	c := &caller{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.receipt, c.err = s.Append(ctx, stream, expected, events...)
	}()
	synctest.Wait() // until it waits for the gate or in the queue
	return c
}

func account(i int) eventstore.StreamID {
	return eventstore.StreamID{Type: "account", ID: fmt.Sprint(i)}
}

func TestB1AppendsShareCommitsAndEachCallerGetsItsOwnOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGated()
		s := open(t, d, accounts(), nil)
		once := eventstore.NewEvent{ID: uuid.New(), Payload: deposited{1}}
		first := call(t.Context(), s, account(1), eventstore.NoStream, once)
		success := call(t.Context(), s, account(2), eventstore.NoStream, eventstore.Events(opened{"Bob"})...)
		conflict := call(t.Context(), s, account(3), eventstore.Exactly(7), eventstore.Events(closed{})...)
		duplicate := call(t.Context(), s, account(1), eventstore.NoStream, once)
		d.gate <- nil
		<-first.done
		d.gate <- nil
		for _, c := range []*caller{success, conflict, duplicate} {
			<-c.done
		}
		require.NoError(t, first.err)
		require.NoError(t, success.err)
		require.ErrorIs(t, conflict.err, eventstore.ErrConflict)
		require.NoError(t, duplicate.err)
		require.Equal(t, eventstore.Receipt{Stream: account(1), Version: 1, Position: 1, Duplicate: true}, duplicate.receipt)
		require.Equal(t, []int{1, 3}, d.flights, "the first goes at once, the others together")
	})
}

// small takes little into a batch.
type small struct{ *gated }

func (small) Batching() driver.Batching {
	return driver.Batching{Direct: 1, Lanes: 1, MaxCommits: 3, MaxEvents: 4}
}

func TestB1ABatchHasNoMoreInItThanTheDriverTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := small{newGated()}
		s := open(t, d, accounts(), nil)
		callers := []*caller{call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)}
		for i, events := range []int{2, 2, 1, 1, 1, 1, 6} {
			callers = append(callers, call(t.Context(), s, account(i+1), eventstore.Any, slices.Repeat(eventstore.Events(closed{}), events)...))
		}
		for range 5 {
			d.gate <- nil
		}
		for _, c := range callers {
			<-c.done
			require.NoError(t, c.err)
		}
		require.Equal(t, []int{1, 2, 3, 1, 1}, d.flights, "four events, then three commits, then what is left before one that is too large")
	})
}

func TestB2TwoAppendsToOneStreamInOneBatchComeOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGated()
		s := open(t, d, accounts(), nil)
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		calls := []*caller{
			call(t.Context(), s, ada, eventstore.NoStream, eventstore.Events(deposited{1}, deposited{2})...),
			call(t.Context(), s, ada, eventstore.NoStream, eventstore.Events(deposited{99})...),
			call(t.Context(), s, ada, eventstore.Any, eventstore.Events(deposited{3})...),
			call(t.Context(), s, ada, eventstore.Exactly(3), eventstore.Events(deposited{4})...),
		}
		d.gate <- nil
		<-blocker.done
		d.gate <- nil
		for _, c := range calls {
			<-c.done
		}
		require.Equal(t, []int{1, 4}, d.flights)
		var conflict *eventstore.ConflictError
		require.ErrorAs(t, calls[1].err, &conflict)
		require.EqualValues(t, 2, conflict.Actual)
		events, err := collect(s.Stream(t.Context(), ada, nil))
		require.NoError(t, err)
		require.Equal(t, []any{deposited{1}, deposited{2}, deposited{3}, deposited{4}}, payloads(events))
	})
}

func TestB3AFailureOfTheDatabaseReachesEveryCallerOfTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGated()
		s := open(t, d, accounts(), nil)
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		riders := []*caller{
			call(t.Context(), s, account(1), eventstore.Any, eventstore.Events(closed{})...),
			call(t.Context(), s, account(2), eventstore.Any, eventstore.Events(closed{})...),
		}
		d.gate <- nil
		<-blocker.done
		d.gate <- fmt.Errorf("cable cut: %w", driver.ErrUnavailable)
		for i, c := range riders {
			<-c.done
			require.True(t, eventstore.Retryable(c.err))
			require.ErrorContains(t, c.err, fmt.Sprintf(`append to stream "account-%d": cable cut`, i+1))
		}
	})
}

// explosive panics when it is encoded.
type explosive struct{ X int }

func (explosive) MarshalJSON() ([]byte, error) { panic("boom") }

func TestB3APanicInOneCallersCodecFailsThatCallerAlone(t *testing.T) {
	reg := accounts()
	serializer.Register[explosive](reg, "account.explosive")
	s := open(t, memory.New(), reg, nil)
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			if i%2 == 0 {
				_, err := s.Append(t.Context(), account(i), eventstore.Any, eventstore.Events(explosive{})...)
				require.ErrorContains(t, err, "boom")
				return
			}
			mustAppend(t, s, account(i), deposited{i})
		})
	}
	group.Wait()
	head, err := s.Head(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 16, head)
}

func TestB4ACallerThatGivesUpWhileQueuedIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGated()
		s := open(t, d, accounts(), nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		quitter := call(ctx, s, account(1), eventstore.Any, eventstore.Events(closed{})...)
		stayer := call(t.Context(), s, account(2), eventstore.Any, eventstore.Events(closed{})...)
		cancel(errors.New("enough"))
		<-quitter.done
		require.ErrorIs(t, quitter.err, context.Canceled)
		require.ErrorContains(t, quitter.err, "nothing written")
		d.gate <- nil
		d.gate <- nil
		<-blocker.done
		<-stayer.done
		require.NoError(t, stayer.err)
		events, err := collect(s.Stream(t.Context(), account(1), nil))
		require.NoError(t, err)
		require.Empty(t, events)
	})
}

func TestB4ACallerThatGivesUpInFlightMayTryAgainWithTheSameIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGated()
		s := open(t, d, accounts(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		e := eventstore.NewEvent{ID: uuid.New(), Payload: closed{}}
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		quitter := call(ctx, s, account(1), eventstore.NoStream, e)
		rider := call(t.Context(), s, account(2), eventstore.Any, eventstore.Events(closed{})...)
		d.gate <- nil
		<-blocker.done
		synctest.Wait() // the two ride together now
		cancel()
		<-quitter.done
		require.ErrorIs(t, quitter.err, context.Canceled)
		require.ErrorContains(t, quitter.err, "outcome unknown")
		d.gate <- nil
		<-rider.done
		require.NoError(t, rider.err)

		again := call(t.Context(), s, account(1), eventstore.NoStream, e)
		d.gate <- nil
		<-again.done
		require.NoError(t, again.err)
		require.True(t, again.receipt.Duplicate)
	})
}

// unanswered never answers a batch: its call ends with its context.
type unanswered struct{ *gated }

func (d unanswered) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestB4AFlightThatIsNotAnsweredEndsWhenItsLastCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := unanswered{newGated()}
		s := open(t, d, accounts(), nil)
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		one, cancelOne := context.WithCancel(t.Context())
		two, cancelTwo := context.WithCancel(t.Context())
		first := call(one, s, account(1), eventstore.Any, eventstore.Events(closed{})...)
		second := call(two, s, account(2), eventstore.Any, eventstore.Events(closed{})...)
		d.gate <- nil
		<-blocker.done
		synctest.Wait() // the two fly together now
		cancelOne()
		<-first.done
		next := call(t.Context(), s, account(3), eventstore.Any, eventstore.Events(closed{})...)
		select {
		case d.gate <- nil:
			t.Error("the lane was freed while somebody still waited")
		default:
		}
		cancelTwo()
		<-second.done
		d.gate <- nil
		<-next.done
		require.NoError(t, next.err, "the lane is free again")
	})
}

// late is a context that has ended a moment before whoever waits for that hears of it.
type late struct {
	context.Context
	mu    sync.Mutex
	err   error
	hooks []func()
}

func (l *late) Done() <-chan struct{} { return make(chan struct{}) }

func (l *late) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// AfterFunc is what context.AfterFunc looks for.
func (l *late) AfterFunc(f func()) (stop func() bool) {
	l.hooks = append(l.hooks, f)
	return func() bool { return true }
}

func (l *late) end() {
	l.mu.Lock()
	l.err = context.DeadlineExceeded
	l.mu.Unlock()
	for _, f := range l.hooks {
		f()
	}
}

func TestB4ACallerWhoseFlightEndsWithItsContextIsToldOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := unanswered{newGated()}
		s := open(t, d, accounts(), nil)
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		ctx := &late{Context: t.Context()}
		first := call(ctx, s, account(1), eventstore.Any, eventstore.Events(closed{})...)
		second := call(ctx, s, account(2), eventstore.Any, eventstore.Events(closed{})...)
		d.gate <- nil
		<-blocker.done
		synctest.Wait()
		ctx.end()
		<-first.done
		<-second.done
		require.ErrorIs(t, first.err, context.DeadlineExceeded)
		require.ErrorIs(t, second.err, context.DeadlineExceeded)
	})
}

func TestB4CloseWaitsForAFlightWhoseCallersHaveAllLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGated()
		s, err := eventstore.New(d, accounts(), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		quitter := call(ctx, s, account(1), eventstore.Any, eventstore.Events(closed{})...)
		d.gate <- nil
		<-blocker.done
		synctest.Wait()
		cancel()
		<-quitter.done
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			require.NoError(t, s.Close())
		}()
		synctest.Wait()
		select {
		case <-finished:
			t.Error("Close came back before the flight had landed")
		default:
		}
		d.gate <- nil
		<-finished
		_, err = s.Append(t.Context(), ada, eventstore.Any)
		require.ErrorIs(t, err, eventstore.ErrClosed)
	})
}

// blob is its own encoding.
type blob []byte

type blobCodec struct{}

func (blobCodec) ContentType() string           { return "application/octet-stream" }
func (blobCodec) Marshal(v any) ([]byte, error) { return *v.(*blob), nil }
func (blobCodec) Unmarshal(b []byte, v any) error {
	*v.(*blob) = b
	return nil
}

func blobs() *serializer.Registry {
	reg := accounts()
	serializer.Register[blob](reg, "account.blob", serializer.WithCodec(blobCodec{}))
	return reg
}

func TestB5BeyondTheQueuesBoundCallersWaitWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGated()
		s := open(t, d, blobs(), nil)
		large := eventstore.Events(blob(make([]byte, 40<<20)))
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		inQueue := call(t.Context(), s, account(1), eventstore.Any, large...)
		outside := call(t.Context(), s, account(2), eventstore.Any, large...)
		ctx, cancel := context.WithCancel(t.Context())
		quitter := call(ctx, s, account(3), eventstore.Any, large...)
		cancel()
		<-quitter.done
		require.ErrorContains(t, quitter.err, "the queue of appends was full")
		require.ErrorIs(t, quitter.err, context.Canceled)
		for range 3 {
			d.gate <- nil
		}
		for _, c := range []*caller{blocker, inQueue, outside} {
			<-c.done
			require.NoError(t, c.err)
		}
		require.Equal(t, []int{1, 1, 1}, d.flights)
	})
}

func TestB5MetadataCountsInTheQueueAndWhatIsLargerThanItGoesInAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGated()
		s := open(t, d, blobs(), nil)
		large := eventstore.NewEvent{Payload: blob(make([]byte, 1<<20)), Metadata: eventstore.Metadata{"note": strings.Repeat("n", 1<<20-20)}}
		blocker := call(t.Context(), s, account(0), eventstore.Any, eventstore.Events(closed{})...)
		alone := call(t.Context(), s, account(1), eventstore.Any, slices.Repeat([]eventstore.NewEvent{large}, 40)...)
		ctx, cancel := context.WithCancel(t.Context())
		outside := call(ctx, s, account(2), eventstore.Any, eventstore.Events(closed{})...)
		cancel()
		<-outside.done
		require.ErrorContains(t, outside.err, "the queue of appends was full")
		d.gate <- nil
		d.gate <- nil
		<-blocker.done
		<-alone.done
		require.NoError(t, alone.err)
	})
}

func TestAHotStreamTakesEveryAppend(t *testing.T) {
	s := openMemory(t)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for j := range 200 {
				mustAppend(t, s, ada, deposited{i*1000 + j})
			}
		})
	}
	group.Wait()
	events, err := collect(s.Stream(t.Context(), ada, nil))
	require.NoError(t, err)
	require.Len(t, events, 3200)
}
