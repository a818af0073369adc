package eventstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// holding is a database in which somebody's open transaction holds some streams.
type holding struct {
	*memory.Store
	mu      sync.Mutex
	held    map[driver.StreamID]chan struct{} // closed when the stream is free
	waiting map[driver.StreamID]int
	turns   int // so many waits end at once, with ErrHeld
	most    int // that waited at a time
}

func newHolding(streams ...driver.StreamID) *holding {
	h := &holding{Store: memory.New(), held: make(map[driver.StreamID]chan struct{}), waiting: make(map[driver.StreamID]int)}
	for _, s := range streams {
		h.held[s] = make(chan struct{})
	}
	return h
}

func (h *holding) Batching() driver.Batching {
	b := h.Store.Batching()
	b.Held = 2
	return b
}

func (h *holding) free(stream driver.StreamID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.held[stream])
	delete(h.held, stream)
}

func (h *holding) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	for {
		stream, free := h.inTheWay(writes)
		switch {
		case free == nil:
			return h.Store.Commit(ctx, writes)
		case !writes[0].Held:
			return nil, fmt.Errorf("toy: %w", driver.ErrHeld)
		}
		if err := h.wait(ctx, stream, free); err != nil {
			return nil, err
		}
	}
}

func (h *holding) inTheWay(writes []driver.Write) (driver.StreamID, chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range writes {
		if free := h.held[writes[i].Stream]; free != nil {
			return writes[i].Stream, free
		}
	}
	return driver.StreamID{}, nil
}

func (h *holding) wait(ctx context.Context, stream driver.StreamID, free chan struct{}) error {
	h.count(stream, 1)
	defer h.count(stream, -1)
	h.mu.Lock()
	turn := h.turns > 0
	h.turns--
	h.mu.Unlock()
	if turn {
		return driver.ErrHeld
	}
	select {
	case <-free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *holding) count(stream driver.StreamID, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[stream] += n
	sum := 0
	for _, n := range h.waiting {
		sum += n
	}
	h.most = max(h.most, sum)
}

func (h *holding) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	outcomes := make([]driver.Outcome, len(commits))
	for i, writes := range commits {
		outcomes[i].Receipts, outcomes[i].Err = h.Commit(ctx, writes)
	}
	return outcomes, nil
}

func callMany(ctx context.Context, s *eventstore.Store, stream eventstore.StreamID, n int) []*caller {
	calls := make([]*caller, n)
	for i := range calls {
		calls[i] = call(ctx, s, stream, eventstore.Any, eventstore.Events(deposited{i})...)
	}
	return calls
}

func requireAll(t *testing.T, calls ...*caller) {
	t.Helper()
	for _, c := range calls {
		<-c.done
		require.NoError(t, c.err)
	}
}

func TestOfThoseWhoWantAStreamThatIsHeldOneWaitsInTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newHolding(ada)
		d.turns = 3
		s := open(t, d, accounts(), nil)
		waiting := callMany(t.Context(), s, ada, 20)
		require.Equal(t, 1, d.waiting[ada])
		requireAll(t, callMany(t.Context(), s, account(1), 20)...)
		d.free(ada)
		requireAll(t, waiting...)
		events, err := collect(s.Stream(t.Context(), ada, nil))
		require.NoError(t, err)
		require.Len(t, events, 20)
	})
}

func TestThoseWhoWaitInTheDatabaseTakeNoMorePlacesThanTheDriverHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newHolding(account(1), account(2), account(3))
		s := open(t, d, accounts(), nil)
		var waiting []*caller
		for i := range 3 {
			waiting = append(waiting, callMany(t.Context(), s, account(i+1), 2)...)
		}
		requireAll(t, callMany(t.Context(), s, account(9), 2)...)
		for i := range 3 {
			d.free(account(i + 1))
			requireAll(t, waiting[2*i:2*i+2]...)
		}
		require.Equal(t, 2, d.most)
	})
}

func TestAnAppendToSeveralStreamsWaitsForAllOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newHolding(account(1), account(2))
		s := open(t, d, accounts(), nil)
		both := make(chan error, 1)
		go func() {
			_, err := s.AppendAll(t.Context(), eventstore.Write{Stream: account(1), Events: eventstore.Events(closed{})},
				eventstore.Write{Stream: account(2), Events: eventstore.Events(closed{})})
			both <- err
		}()
		synctest.Wait()
		behind := call(t.Context(), s, account(2), eventstore.Exactly(1), eventstore.Events(deposited{1})...)
		d.free(account(2))
		synctest.Wait()
		require.Empty(t, both)
		d.free(account(1))
		require.NoError(t, <-both)
		requireAll(t, behind)
	})
}

func TestWhoGivesUpOnAStreamThatIsHeldIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newHolding(ada, account(1), account(2))
		s := open(t, d, accounts(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		first, second := call(ctx, s, ada, eventstore.Any, eventstore.Events(closed{})...), call(ctx, s, ada, eventstore.Any, eventstore.Events(closed{})...)
		another, placeless := call(ctx, s, account(1), eventstore.Any, eventstore.Events(closed{})...), call(ctx, s, account(2), eventstore.Any, eventstore.Events(closed{})...)
		cancel()
		for _, c := range []struct {
			*caller
			says string
		}{
			{first, `outcome unknown, an open transaction that this context is not part of holds stream "account-ada": context canceled`},
			{second, `nothing written, an open transaction that this context is not part of holds stream "account-ada": context canceled`},
			{another, "outcome unknown, an open transaction"},
			{placeless, `nothing written, an open transaction that this context is not part of holds stream "account-2"`},
		} {
			<-c.done
			require.ErrorIs(t, c.err, context.Canceled)
			require.ErrorContains(t, c.err, c.says)
		}
		d.free(ada)
		requireAll(t, call(t.Context(), s, ada, eventstore.NoStream, eventstore.Events(closed{})...))
	})
}
