package drivertest_test

import (
	"context"
	"errors"
	"sync"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// closing has f hear, on each handle, of every handle on the same database that is closed.
func closing(f func(b *broken, closed func() bool)) func(b *broken) {
	var closed sync.Map // by database
	return func(b *broken) {
		b.closeHandle = func() error {
			closed.Store(b.db, true)
			return nil
		}
		f(b, func() bool { _, is := closed.Load(b.db); return is })
	}
}

var errNotOpen = errors.New("database not open")

func closeFlaws() []flaw {
	return []flaw{
		{name: "closing a handle closes the database", catches: []catch{
			{"Store/a handle goes on when others are closed", "database not open"},
			{"Store/a transaction goes on when another handle is closed", "database not open"},
		}, spoil: closing(func(b *broken, closed func() bool) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if closed() {
					return nil, errNotOpen
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		})},
		{name: "closing a handle ends every watch", hangs: true, catches: []catch{
			{"Store/a watcher goes on when another handle is closed", "a watcher was not woken by a commit after another handle was closed"},
		}, spoil: closing(func(b *broken, closed func() bool) {
			hearing(func(*broken, *toyTx) bool { return !closed() })(b)
		})},
	}
}
