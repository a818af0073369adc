package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// OnAppend has f called in the transaction of every append of this store, after its events are stored and before they
// are committed: what f does with its context is committed with them, and if it returns an error nothing is. events are
// those of one append, stream by stream, as a reader will see them. Inside a caller's transaction f is called as well,
// and after its error the caller is to roll back. It is not called for appends whose events are stored already.
//
// The price: such an append has a transaction of its own, with a few more round trips and with whatever f does, and
// shares no commit with others. Appends of other stores and processes don't call f. It is ErrNotSupported if the driver
// has no transactions, and an error if there is such a function already. Call it before the first append.
func (s *Store) OnAppend(f func(ctx context.Context, events []Event) error) error {
	if !s.Transactional() {
		return fmt.Errorf("%w: transactions, which OnAppend needs", ErrNotSupported)
	}
	if !s.inline.CompareAndSwap(nil, &f) {
		return errors.New("eventstore: OnAppend was called before: have one function do both")
	}
	return nil
}

// commitInline is a commit with what OnAppend was given.
func (s *Store) commitInline(ctx context.Context, writes []driver.Write) (receipts []driver.Receipt, err error) {
	err = s.transactor.Transact(ctx, func(ctx context.Context) error {
		if receipts, err = s.drv.Commit(ctx, writes); err != nil {
			return err
		}
		events, err := s.readBack(ctx, writes, receipts)
		if err != nil || len(events) == 0 {
			return err
		}
		return (*s.inline.Load())(ctx, events)
	})
	return receipts, err
}

// readBack reads what a transaction has just stored: only the database knows all positions.
func (s *Store) readBack(ctx context.Context, writes []driver.Write, receipts []driver.Receipt) ([]Event, error) {
	var events []Event
	for i, w := range writes {
		if len(w.Events) == 0 {
			continue
		}
		from := receipts[i].Version - int64(len(w.Events)) + 1
		for e, err := range s.Stream(ctx, w.Stream, &StreamOptions{From: from}) {
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
	}
	return events, nil
}
