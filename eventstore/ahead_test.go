package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// paged is a driver that counts the pages it is asked for, and has a test look at each before it is read.
type paged struct {
	*memory.Store
	pages  atomic.Int64
	before func(ctx context.Context, page int64) error
	inTx   bool
}

func (p *paged) next(ctx context.Context) error {
	n := p.pages.Add(1)
	if p.before == nil {
		return nil
	}
	return p.before(ctx, n)
}

func (p *paged) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	if err := p.next(ctx); err != nil {
		return nil, err
	}
	return p.Store.ReadStream(ctx, q)
}

func (p *paged) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	if err := p.next(ctx); err != nil {
		return driver.Page{}, err
	}
	return p.Store.ReadAll(ctx, q)
}

func (p *paged) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	return fn(ctx)
}
func (p *paged) InTransaction(context.Context) (bool, error)     { return p.inTx, nil }
func (p *paged) OnEnd(_ context.Context, f func(committed bool)) { f(true) }

// onePage is at most as long as a page, morePages is longer than two.
const onePage, morePages = 100, 1300

func openPaged(t *testing.T, n int) (*paged, *eventstore.Store) {
	t.Helper()
	p := &paged{Store: memory.New()}
	s := open(t, p, accounts(), nil)
	list := make([]any, n)
	for i := range list {
		list[i] = deposited{i + 1}
	}
	mustAppend(t, s, ada, list...)
	return p, s
}

// reads runs a test on each kind of iteration, in a bubble of its own.
func reads(t *testing.T, n int, test func(t *testing.T, p *paged, s *eventstore.Store, read func(ctx context.Context) iter.Seq2[eventstore.Event, error])) {
	t.Helper()
	for _, what := range []string{"a stream", "the log", "the log's pages"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, s := openPaged(t, n)
				test(t, p, s, func(ctx context.Context) iter.Seq2[eventstore.Event, error] {
					switch what {
					case "the log":
						return s.All(ctx, 0, nil)
					case "the log's pages":
						return eventsOf(s.Pages(ctx, 0, &eventstore.ReadOptions{Limit: 512}))
					default:
						return s.Stream(ctx, ada, nil)
					}
				})
			})
		})
	}
}

func eventsOf(pages iter.Seq2[eventstore.Page, error]) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		for page, err := range pages {
			for _, e := range page.Events {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(eventstore.Event{}, err)
			}
		}
	}
}

// TestPagesAreThoseThatReadAllReturns compares them, filters and limits included.
func TestPagesAreThoseThatReadAllReturns(t *testing.T) {
	t.Parallel()
	_, s := openPaged(t, 700)
	mustAppend(t, s, eventstore.StreamID{Type: "other", ID: "1"}, opened{Owner: "Bob"}, deposited{1})
	mustAppend(t, s, ada, deposited{2})
	for name, opts := range map[string]*eventstore.ReadOptions{
		"all":        nil,
		"small ones": {Limit: 7},
		"one each":   {Limit: 1, StreamTypes: []string{"other"}},
		"by type":    {Limit: 100, Types: []string{"account.opened"}},
		"some":       {Limit: 100, Only: func(_ eventstore.StreamID, position int64) bool { return position%3 == 0 }},
		"raw":        {Raw: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want, got []eventstore.Page
			for after, more := int64(0), true; more; {
				page, err := s.ReadAll(t.Context(), after, opts)
				require.NoError(t, err)
				want, after, more = append(want, page), page.Next, page.Next < page.Head
			}
			for page, err := range s.Pages(t.Context(), 0, opts) {
				require.NoError(t, err)
				got = append(got, page)
			}
			require.Equal(t, want, got)
		})
	}
	for _, err := range s.Pages(t.Context(), -1, nil) {
		require.ErrorContains(t, err, "position -1")
	}
}

type readFunc = func(ctx context.Context) iter.Seq2[eventstore.Event, error]

func TestTheNextPageIsReadWhileTheLoopsBodyRuns(t *testing.T) {
	t.Parallel()
	reads(t, morePages, func(t *testing.T, p *paged, _ *eventstore.Store, read readFunc) {
		n := 0
		for e, err := range read(t.Context()) {
			require.NoError(t, err)
			if n++; n == 1 {
				synctest.Wait()
				require.EqualValues(t, 2, p.pages.Load())
			}
			require.EqualValues(t, n, e.Version)
		}
		require.Equal(t, morePages, n)
	})
}

func TestNothingIsReadAheadOfTheLastPage(t *testing.T) {
	t.Parallel()
	reads(t, onePage, func(t *testing.T, p *paged, _ *eventstore.Store, read readFunc) {
		_, err := collect(read(t.Context()))
		require.NoError(t, err)
		require.EqualValues(t, 1, p.pages.Load())
	})
}

func TestNothingIsReadAheadInATransaction(t *testing.T) {
	t.Parallel()
	reads(t, morePages, func(t *testing.T, p *paged, _ *eventstore.Store, read readFunc) {
		p.inTx = true
		n := 0
		for _, err := range read(t.Context()) {
			require.NoError(t, err)
			if n++; n == 1 {
				synctest.Wait()
				require.EqualValues(t, 1, p.pages.Load())
			}
		}
		require.Equal(t, morePages, n)
	})
}

func TestWhatFailsWhenReadAheadIsReadAgainWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	reads(t, morePages, func(t *testing.T, p *paged, _ *eventstore.Store, read readFunc) {
		p.before = func(_ context.Context, page int64) error {
			if page == 2 {
				return broken
			}
			return nil
		}
		events, err := collect(read(t.Context()))
		require.NoError(t, err)
		require.Len(t, events, morePages)
	})
	reads(t, morePages, func(t *testing.T, p *paged, _ *eventstore.Store, read readFunc) {
		p.before = func(_ context.Context, page int64) error {
			if page > 1 {
				return broken
			}
			return nil
		}
		events, err := collect(read(t.Context()))
		require.ErrorIs(t, err, broken)
		require.Len(t, events, 512)
	})
}

func TestADriverThatPanicsDoesSoInTheLoop(t *testing.T) {
	t.Parallel()
	reads(t, morePages, func(t *testing.T, p *paged, s *eventstore.Store, read readFunc) {
		p.before = func(_ context.Context, page int64) error {
			if page > 1 {
				panic(fmt.Sprint("page ", page))
			}
			return nil
		}
		require.PanicsWithValue(t, "page 3", func() { _, _ = collect(read(t.Context())) })
	})
}

func TestLeavingTheLoopLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	cancelled := func(ctx context.Context, page int64) error {
		if page == 1 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	t.Run("when a page does not come", func(t *testing.T) {
		reads(t, morePages, func(t *testing.T, p *paged, s *eventstore.Store, read readFunc) {
			p.before = cancelled
			for _, err := range read(t.Context()) {
				require.NoError(t, err)
				break
			}
			require.EqualValues(t, 2, p.pages.Load())
			require.NoError(t, s.Close(), "it waits for calls that are under way")
		})
	})
	t.Run("when its body panics", func(t *testing.T) {
		reads(t, morePages, func(t *testing.T, p *paged, s *eventstore.Store, read readFunc) {
			p.before = cancelled
			require.Panics(t, func() {
				for range read(t.Context()) {
					panic("enough")
				}
			})
			require.NoError(t, s.Close())
		})
	})
	t.Run("and does not cancel a page that comes soon", func(t *testing.T) {
		reads(t, morePages, func(t *testing.T, p *paged, _ *eventstore.Store, read readFunc) {
			var end error
			p.before = func(ctx context.Context, page int64) error {
				if page > 1 {
					time.Sleep(20 * time.Millisecond)
					end = ctx.Err()
				}
				return nil
			}
			for range read(t.Context()) {
				break
			}
			require.NoError(t, end)
			require.EqualValues(t, 2, p.pages.Load())
		})
	})
}

func TestAContextThatEndsEndsTheLoopWhateverWasReadAhead(t *testing.T) {
	t.Parallel()
	reads(t, morePages, func(t *testing.T, _ *paged, _ *eventstore.Store, read readFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		var last error
		for _, err := range read(ctx) {
			if last = err; err == nil {
				n++
			}
			if n == 3 {
				synctest.Wait()
				cancel()
			}
		}
		require.ErrorIs(t, last, context.Canceled)
		require.Contains(t, []int{3, 512}, n, "the event, or the page of the log, that was in hand")
	})
}
