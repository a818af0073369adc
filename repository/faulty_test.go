package repository_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// backend is what both drivers of these tests have.
type backend interface {
	driver.Store
	driver.Snapshotter
}

// faulty is a driver whose calls a test may replace. A nil function leaves the call as it is.
type faulty struct {
	backend
	commit       func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error)
	readStream   func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error)
	saveSnapshot func(ctx context.Context, s driver.Snapshot) error
	loadSnapshot func(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error)
	onEnd        func(ctx context.Context, f func(committed bool))
}

func (f *faulty) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	if f.commit != nil {
		return f.commit(ctx, writes)
	}
	return f.backend.Commit(ctx, writes)
}

func (f *faulty) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	if f.readStream != nil {
		return f.readStream(ctx, q)
	}
	return f.backend.ReadStream(ctx, q)
}

func (f *faulty) SaveSnapshot(ctx context.Context, s driver.Snapshot) error {
	if f.saveSnapshot != nil {
		return f.saveSnapshot(ctx, s)
	}
	return f.backend.SaveSnapshot(ctx, s)
}

func (f *faulty) LoadSnapshot(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error) {
	if f.loadSnapshot != nil {
		return f.loadSnapshot(ctx, stream)
	}
	return f.backend.LoadSnapshot(ctx, stream)
}

// errBroken is what a driver says when trying again is of no use.
var errBroken = errors.New("the disk is broken")

// errLost is what a driver says when the database goes away.
var errLost = fmt.Errorf("the cable is out: %w", driver.ErrUnavailable)

// loseAnswers has the next n commits succeed and the caller not hear of it.
func (f *faulty) loseAnswers(n int) {
	f.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		receipts, err := f.backend.Commit(ctx, writes)
		if n--; n < 0 || err != nil {
			return receipts, err
		}
		return nil, errLost
	}
}

// failCommits has the next n commits fail before they reach the database.
func (f *faulty) failCommits(n int) {
	f.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		if n--; n < 0 {
			return f.backend.Commit(ctx, writes)
		}
		return nil, errLost
	}
}

// transacting is a faulty driver whose database has transactions.
type transacting struct {
	*faulty
	driver.Transactor
}

func (t transacting) OnEnd(ctx context.Context, f func(committed bool)) {
	if t.onEnd != nil {
		t.onEnd(ctx, f)
		return
	}
	t.Transactor.OnEnd(ctx, f)
}
