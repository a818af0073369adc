package sqlite

import (
	"context"
	"sync"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Transact implements driver.Transactor. It is sqltx.In on DB.
func (s *Store) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	return sqltx.In(ctx, s.writer.db, fn)
}

// InTransaction implements driver.Transactor.
func (s *Store) InTransaction(ctx context.Context) (bool, error) {
	_, ok, err := sqltx.Of(ctx, s.writer.db)
	return ok, err
}

// OnEnd implements driver.Transactor.
func (s *Store) OnEnd(ctx context.Context, f func(committed bool)) { sqltx.OnEnd(ctx, f) }

// own tells which positions a transaction has taken.
type own struct {
	mu          sync.Mutex // held by Commit and changeKeys, so that two of them don't mix up their savepoints
	first, last int64      // 0 if it has not appended
}

// ownOf returns what is known of the transaction that ctx carries.
func (s *Store) ownOf(ctx context.Context) *own {
	o, _ := sqltx.Local(ctx, s, func() *own {
		o := new(own)
		sqltx.OnEnd(ctx, func(committed bool) { s.ended(o, committed) })
		return o
	})
	return o
}

// note remembers the positions that a Commit inside a transaction is about to show to its caller. o.mu is held.
func (s *Store) note(o *own, writes []driver.Write, receipts []driver.Receipt) {
	for i, r := range receipts {
		if r.Position == 0 {
			continue
		}
		if o.first == 0 {
			o.first = r.Position - int64(len(writes[i].Events)) + 1
		}
		o.last = r.Position
	}
	if o.last > s.writer.floor.Load() {
		s.writer.floor.Store(o.last)
	}
}

func (s *Store) ended(o *own, committed bool) {
	if !committed || o.last == 0 {
		return
	}
	s.writer.floor.CompareAndSwap(o.last, 0)
	s.bell.ring()
}

// firstPosition returns the first position that the transaction of ctx has taken, 0 if none.
func (s *Store) firstPosition(ctx context.Context) int64 {
	o := s.ownOf(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.first
}
