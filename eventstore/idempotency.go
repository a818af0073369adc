package eventstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/upcaster"
)

// firstReceipts answers a call whose event ids are stored already: with the receipts of the call that stored them if
// this one is a retry of it, write by write, else with ErrIdempotency.
func (s *Store) firstReceipts(ctx context.Context, writes []driver.Write, stored []driver.Record) ([]Receipt, error) {
	if err := s.revealRetry(ctx, writes, stored); err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*driver.Record, len(stored))
	for i := range stored {
		byID[stored[i].ID] = &stored[i]
	}
	receipts := make([]Receipt, len(writes))
	for i := range writes {
		w := &writes[i]
		receipts[i] = Receipt{Stream: w.Stream, Duplicate: true}
		var err error
		if len(w.Events) == 0 {
			receipts[i].Version, err = s.streamVersion(ctx, w.Stream)
		} else {
			err = s.matchRetry(w, byID, &receipts[i])
		}
		if err != nil {
			return nil, err
		}
	}
	return receipts, nil
}

// matchRetry checks that the stored events are this write, the whole of it and nothing else.
func (s *Store) matchRetry(w *driver.Write, byID map[uuid.UUID]*driver.Record, receipt *Receipt) error {
	for i := range w.Events {
		e := &w.Events[i]
		rec := byID[e.ID]
		switch {
		case rec == nil:
			return idempotencyError(w, e, "is new, but others of the same append are stored already")
		case rec.Stream != w.Stream:
			return idempotencyError(w, e, fmt.Sprintf("is stored in stream %q", rec.Stream))
		case i == 0 && rec.AppendSize != len(w.Events):
			return idempotencyError(w, e, "belongs to an append of other events")
		case i > 0 && rec.Version != receipt.Version+1:
			return idempotencyError(w, e, "is stored in another order or by another append")
		case !s.sameContent(rec, e):
			return idempotencyError(w, e, fmt.Sprintf("is stored at version %d with other content", rec.Version))
		}
		receipt.Version, receipt.Position = rec.Version, rec.Position
	}
	return nil
}

// sameContent leaves metadata and time aside: a retry comes later, perhaps in another request.
func (s *Store) sameContent(rec *driver.Record, e *driver.Event) bool {
	switch {
	case !slices.Equal(rec.Tags, e.Tags):
		return false
	case rec.Type == e.Type && rec.Schema == e.Schema && rec.ContentType == e.ContentType && bytes.Equal(rec.Data, e.Data):
		return true
	default:
		return s.sameToday(rec, e)
	}
}

// sameToday reports whether both are read as the same. It can be a retry by another release, which writes another schema
// version, or by a codec that does not write the same value in the same way each time. Steps that look beyond the payload
// see the stored event both times: the retry's own time and metadata may be others, and it has no place in the log.
func (s *Store) sameToday(rec *driver.Record, e *driver.Event) bool {
	md, err := new(metadataDecoder).decode(rec.Metadata)
	if err != nil {
		return false
	}
	was := beforeStored(rec.Stream, &rec.Event)
	was.Metadata, was.Version, was.Position = md, rec.Version, rec.Position
	is := was
	is.Type, is.ContentType, is.Data = upcaster.V(e.Type, e.Schema), e.ContentType, e.Data
	stored, err1 := s.forward(was)
	tried, err2 := s.forward(is)
	return err1 == nil && err2 == nil && slices.EqualFunc(stored, tried, func(a, b upcaster.Event) bool {
		differences, err := s.reg.Differences(encodedOf(&a), encodedOf(&b))
		return err == nil && len(differences) == 0
	})
}

func idempotencyError(w *driver.Write, e *driver.Event, what string) error {
	return fmt.Errorf("%w: append to stream %q: %s %s: give new events new ids", ErrIdempotency, w.Stream, e.ID, what)
}

func (s *Store) streamVersion(ctx context.Context, stream StreamID) (int64, error) {
	page, err := s.drv.ReadStream(ctx, driver.StreamQuery{Stream: stream, From: 1, Backward: true, Limit: 1, MaxBytes: 1})
	if err != nil || len(page) == 0 {
		return 0, err
	}
	return page[0].Version, nil
}
