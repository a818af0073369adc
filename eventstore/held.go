package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// heldStreams keeps appends that wait for an open transaction of somebody else apart from all others. Such a transaction
// may stay open for minutes, and whoever waits for it in the database has one of its connections meanwhile. So of all that
// want a stream that is held, one waits there, and the others come when it is through.
type heldStreams struct {
	places chan struct{} // taken by those who wait in the database
	count  atomic.Int64  // of streams, for those who need not look

	mu      sync.Mutex
	streams map[StreamID]chan struct{} // closed when the one who waits for the stream is through
}

func (h *heldStreams) init(places int) {
	h.places = make(chan struct{}, max(1, places))
	h.streams = make(map[StreamID]chan struct{})
}

// pass waits as long as somebody waits in the database for a stream of writes.
func (h *heldStreams) pass(ctx context.Context, writes []driver.Write) error {
	for h.count.Load() > 0 {
		stream, through := h.waitedFor(writes)
		if through == nil {
			return nil
		}
		select {
		case <-through:
		case <-ctx.Done():
			return heldError("nothing written", stream, ctx.Err())
		}
	}
	return nil
}

func heldError(outcome string, stream StreamID, err error) error {
	return fmt.Errorf("%s, an open transaction that this context is not part of holds stream %q: %w", outcome, stream, err)
}

func (h *heldStreams) waitedFor(writes []driver.Write) (stream StreamID, through chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range writes {
		if through = h.streams[writes[i].Stream]; through != nil {
			return writes[i].Stream, through
		}
	}
	return StreamID{}, nil
}

// commit waits for the streams in the database, however long that takes. It returns driver.ErrHeld if somebody waits for one
// of them already.
func (h *heldStreams) commit(ctx context.Context, drv driver.Store, writes []driver.Write) ([]driver.Receipt, error) {
	if !h.claim(writes) {
		return nil, driver.ErrHeld
	}
	defer h.release(writes)
	writes = slices.Clone(writes)
	for i := range writes {
		writes[i].Contended, writes[i].Held = true, true
	}
	for {
		receipts, err := h.try(ctx, drv, writes)
		if !errors.Is(err, driver.ErrHeld) {
			return receipts, err
		}
	}
}

// try takes a place, and gives it back to those who have waited for longer.
func (h *heldStreams) try(ctx context.Context, drv driver.Store, writes []driver.Write) ([]driver.Receipt, error) {
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		return nil, heldError("nothing written", writes[0].Stream, ctx.Err())
	}
	defer func() { <-h.places }()
	receipts, err := drv.Commit(ctx, writes)
	if err != nil && ctx.Err() != nil {
		err = heldError("outcome unknown", writes[0].Stream, err)
	}
	return receipts, err
}

// claim reports false if somebody waits for one of the streams.
func (h *heldStreams) claim(writes []driver.Write) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range writes {
		if h.streams[writes[i].Stream] != nil {
			return false
		}
	}
	through := make(chan struct{})
	for i := range writes {
		h.streams[writes[i].Stream] = through
	}
	h.count.Store(int64(len(h.streams)))
	return true
}

func (h *heldStreams) release(writes []driver.Write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.streams[writes[0].Stream])
	for i := range writes {
		delete(h.streams, writes[i].Stream)
	}
	h.count.Store(int64(len(h.streams)))
}
