package eventstore_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// deaf is the memory driver without its capabilities: it can't tell of commits.
type deaf struct{ driver.Store }

// counting counts the looks at the log.
type counting struct {
	driver.Store
	reads atomic.Int64
}

func (c *counting) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	c.reads.Add(1)
	return c.Store.ReadAll(ctx, q)
}

// hardOfHearing fails to watch until it is cured.
type hardOfHearing struct {
	*memory.Store
	cured atomic.Bool
}

func (h *hardOfHearing) Watch(ctx context.Context, wake func()) error {
	if !h.cured.Load() {
		return errors.New("no listener to be had")
	}
	return h.Store.Watch(ctx, wake)
}

func TestSubscribeFollowsFromCatchUpIntoLiveWithoutLossOrRepetition(t *testing.T) {
	for name, d := range map[string]driver.Store{"a driver that tells of commits": memory.New(), "a driver that does not": deaf{memory.New()}} {
		t.Run(name, func(t *testing.T) {
			s := open(t, d, accounts(), nil)
			const n = 2000
			var writer sync.WaitGroup
			writer.Go(func() {
				for i := range n {
					_, err := s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(deposited{i})...)
					require.NoError(t, err)
				}
			})
			events, err := collect(s.Subscribe(t.Context(), 0, &eventstore.ReadOptions{Limit: n}))
			require.NoError(t, err)
			writer.Wait()
			for i, e := range events {
				require.Equal(t, deposited{i}, e.Payload)
			}
		})
	}
}

func TestACommitWakesASubscriberWithoutThePoll(t *testing.T) {
	for name, d := range map[string]driver.Store{
		"heard by the driver": memory.New(), "of the same store": deaf{memory.New()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, d, accounts(), &eventstore.Options{PollInterval: time.Hour})
				began, got := time.Now(), make(chan eventstore.Event)
				go func() {
					events, _ := collect(s.Subscribe(t.Context(), 0, &eventstore.ReadOptions{Limit: 1}))
					got <- events[0]
				}()
				synctest.Wait()
				mustAppend(t, s, ada, closed{})
				require.Equal(t, closed{}, (<-got).Payload)
				require.Zero(t, time.Since(began))
			})
		})
	}
}

func TestWaitIsOverAtOnceForWhatWasCommittedSinceThePage(t *testing.T) {
	for name, d := range map[string]driver.Store{"by the same store": deaf{memory.New()}, "by another one, as the driver hears": memory.New()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := &eventstore.Options{PollInterval: time.Hour}
				reader, writer := open(t, d, accounts(), opts), open(t, d, accounts(), opts)
				if _, hears := d.(driver.Waiter); !hears {
					writer = reader
				}
				mustAppend(t, writer, ada, deposited{1})
				page, err := reader.ReadAll(t.Context(), 0, nil)
				require.NoError(t, err)
				mustAppend(t, writer, ada, deposited{2})
				began := time.Now()
				require.NoError(t, reader.Wait(t.Context(), page))
				require.Zero(t, time.Since(began))
			})
		})
	}
}

func TestWaitIsOverAtOnceForAPageThatDidNotComeToTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New(), accounts(), &eventstore.Options{PollInterval: time.Hour})
		mustAppend(t, s, ada, deposited{1}, deposited{2})
		page, err := s.ReadAll(t.Context(), 0, &eventstore.ReadOptions{Limit: 1})
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, s.Wait(t.Context(), page))
		require.Zero(t, time.Since(began))
	})
}

func TestAnotherStoresCommitIsFoundByThePollWhereTheDriverIsDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deaf{memory.New()}
		reader, writer := open(t, d, accounts(), nil), open(t, d, accounts(), nil)
		page, err := reader.ReadAll(t.Context(), 0, nil)
		require.NoError(t, err)
		began := time.Now()
		go mustAppend(t, writer, ada, closed{})
		require.NoError(t, reader.Wait(t.Context(), page))
		require.LessOrEqual(t, time.Since(began), 50*time.Millisecond)
	})
}

func TestAnIdleSubscriberIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &counting{Store: memory.New()}
		s := open(t, d, accounts(), &eventstore.Options{PollInterval: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := collect(s.Subscribe(ctx, 0, nil))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, d.reads.Load(), int64(61))
	})
}

func TestManyIdleSubscribersShareTheirLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		d := &counting{Store: memory.New()}
		reader, writer := open(t, d, accounts(), &eventstore.Options{PollInterval: time.Second}), open(t, d, accounts(), nil)
		var all sync.WaitGroup
		for i := range n {
			<-time.After(7 * time.Millisecond) // so that they don't all come at once
			all.Go(func() {
				events, err := collect(reader.Subscribe(t.Context(), 0, &eventstore.ReadOptions{Limit: 1}))
				require.NoError(t, err, "subscriber %d", i)
				require.Len(t, events, 1)
			})
		}
		synctest.Wait()
		before := d.reads.Load()
		<-time.After(10 * time.Second)
		require.LessOrEqual(t, d.reads.Load()-before, int64(11))
		mustAppend(t, writer, ada, closed{})
		sent := time.Now()
		all.Wait()
		require.LessOrEqual(t, time.Since(sent), time.Second, "what they were not told of costs one poll interval at most")
	})
}

func TestAStoreThatCanNotHearSaysSoOncePollsAndTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		d := &hardOfHearing{Store: memory.New()}
		reader := open(t, d, accounts(), &eventstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		writer := open(t, d, accounts(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		got := make(chan time.Time)
		go func() {
			for range reader.Subscribe(ctx, 0, nil) {
				got <- time.Now()
			}
			close(got)
		}()
		<-time.After(10 * time.Second) // of the test's own clock: several tries to hear
		mustAppend(t, writer, ada, deposited{1})
		sent := time.Now()
		require.LessOrEqual(t, (<-got).Sub(sent), 50*time.Millisecond)
		require.Equal(t, 1, strings.Count(log.String(), "no listener to be had"), log.String())

		d.cured.Store(true)
		<-time.After(time.Minute)
		mustAppend(t, writer, ada, deposited{2})
		sent = time.Now()
		require.Zero(t, (<-got).Sub(sent))
		cancel()
		<-got
	})
}

// goesDeaf hears until it is told not to any more.
type goesDeaf struct {
	*memory.Store
	deaf chan struct{}
}

func (g *goesDeaf) Watch(ctx context.Context, wake func()) error {
	select {
	case <-g.deaf:
		return errors.New("the listener is lost")
	default:
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-g.deaf:
			cancel()
		case <-ctx.Done():
		}
	}()
	return g.Store.Watch(ctx, wake)
}

func TestACommitOfTheSameStoreWakesASubscriberWhoseDriverHasGoneDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &goesDeaf{memory.New(), make(chan struct{})}
		s := open(t, d, accounts(), &eventstore.Options{PollInterval: time.Hour, Logger: slog.New(slog.DiscardHandler)})
		got := make(chan time.Time)
		go func() {
			for range s.Subscribe(t.Context(), 0, &eventstore.ReadOptions{Limit: 1}) {
				got <- time.Now()
			}
		}()
		synctest.Wait()
		close(d.deaf)
		synctest.Wait()
		mustAppend(t, s, ada, deposited{1})
		sent := time.Now()
		require.Zero(t, (<-got).Sub(sent))
	})
}

func TestWhoeverWaitsEndsWithTheContextAndLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		s, err := eventstore.New(memory.New(), accounts(), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = collect(s.Subscribe(ctx, 0, nil))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		page, err := s.ReadAll(t.Context(), 0, nil)
		require.NoError(t, err)
		require.ErrorIs(t, s.Wait(ctx, page), context.DeadlineExceeded)
	})
}

// Whoever has ended the context must not be sent to read once more, only to be told there that it has ended.
func TestAContextThatHasEndedIsWhatWaitSaysWhateverThereIsToRead(t *testing.T) {
	s := open(t, memory.New(), accounts(), nil)
	behind, err := s.ReadAll(t.Context(), 0, nil)
	require.NoError(t, err)
	mustAppend(t, s, ada, deposited{1}, deposited{2})
	notAtTheHead, err := s.ReadAll(t.Context(), 0, &eventstore.ReadOptions{Limit: 1})
	require.NoError(t, err)
	defer s.Listen()() // so that whoever waits hears of the commit at once
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // of two things that are so at once, either may be seen first
		require.ErrorIs(t, s.Wait(ctx, behind), context.Canceled)
		require.ErrorIs(t, s.Wait(ctx, notAtTheHead), context.Canceled)
	}
}

// While the driver tells of commits, the poll only makes up for what it may have missed.
func TestAnIdleSubscriberLooksOnceASecondWhereTheDriverHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		d := &struct {
			counting
			driver.Waiter
		}{counting{Store: m}, m}
		s := open(t, d, accounts(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := collect(s.Subscribe(ctx, 0, nil))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.InDelta(t, 60, d.reads.Load(), 2)
	})
}

// slowToLeave takes a second to end a watch.
type slowToLeave struct {
	*memory.Store
	watching atomic.Int64
}

func (s *slowToLeave) Watch(ctx context.Context, wake func()) error {
	s.watching.Add(1)
	defer s.watching.Add(-1)
	err := s.Store.Watch(ctx, wake)
	time.Sleep(time.Second) // of the bubble's time
	return err
}

func TestTheLastWhoWaitsReturnsWhenNothingWatchesAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowToLeave{Store: memory.New()}
		s := open(t, d, accounts(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		left := make(chan int64)
		go func() {
			_, _ = collect(s.Subscribe(ctx, 0, nil))
			left <- d.watching.Load()
		}()
		synctest.Wait()
		require.Equal(t, int64(1), d.watching.Load())
		require.Zero(t, <-left)
	})
}

func TestCloseEndsSubscriptionsAndWaitsForCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slow{Store: memory.New(), release: make(chan struct{})}
		s, err := eventstore.New(d, accounts(), nil)
		require.NoError(t, err)
		ended, appended := make(chan error), make(chan error)
		go func() {
			_, err := collect(s.Subscribe(t.Context(), 0, nil))
			ended <- err
		}()
		go func() {
			_, err := s.Append(t.Context(), ada, eventstore.Any, eventstore.Events(closed{})...)
			appended <- err
		}()
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- s.Close() }()
		synctest.Wait()
		require.Empty(t, done, "Close came back before the append")
		close(d.release)
		require.NoError(t, <-appended)
		require.ErrorIs(t, <-ended, eventstore.ErrClosed)
		require.NoError(t, <-done)
	})
}

func TestCloseWakesWhoeverWaitsWithoutThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := eventstore.New(memory.New(), accounts(), &eventstore.Options{PollInterval: time.Hour})
		require.NoError(t, err)
		page, err := s.ReadAll(t.Context(), 0, nil)
		require.NoError(t, err)
		subscribed, waited := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := collect(s.Subscribe(t.Context(), 0, nil))
			subscribed <- err
		}()
		go func() { waited <- s.Wait(t.Context(), page) }()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-subscribed, eventstore.ErrClosed)
		require.NoError(t, <-waited)
		require.Zero(t, time.Since(began))
	})
}

// slow holds a commit until it is released.
type slow struct {
	*memory.Store
	release chan struct{}
}

func (s *slow) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	<-s.release
	return s.Store.Commit(ctx, writes)
}
