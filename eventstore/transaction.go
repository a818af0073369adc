package eventstore

import (
	"context"
	"fmt"
)

// Transact runs fn in one transaction of the driver's database: appends, reads, snapshots and checkpoints that are
// given fn's context become part of it, and so does the caller's own SQL (package sqltx). It is committed if fn returns
// nil and rolled back if it returns an error, which is returned as it is, or panics. A Transact inside another one
// joins it. It is ErrNotSupported if the driver has no transactions.
func (s *Store) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	if s.transactor == nil {
		return fmt.Errorf("%w: transactions", ErrNotSupported)
	}
	if err := s.calls.enter(); err != nil {
		return err
	}
	defer s.calls.leave()
	return s.transactor.Transact(ctx, fn)
}

// Transactional reports whether the driver has transactions, so that Transact works.
func (s *Store) Transactional() bool { return s.transactor != nil }

// InTransaction reports whether ctx carries a transaction of the driver's database.
func (s *Store) InTransaction(ctx context.Context) bool {
	in, err := s.inTransaction(ctx)
	return in && err == nil
}

func (s *Store) inTransaction(ctx context.Context) (bool, error) {
	if s.transactor == nil {
		return false, nil
	}
	return s.transactor.InTransaction(ctx)
}

// OnEnd has f run once the transaction that ctx carries has ended, and tells whether it was committed; if it has ended already,
// at once. Without a transaction f runs at once, with true.
func (s *Store) OnEnd(ctx context.Context, f func(committed bool)) {
	if in, err := s.inTransaction(ctx); in || err != nil {
		s.transactor.OnEnd(ctx, f)
		return
	}
	f(true)
}
