package drivertest

import (
	"context"
	"errors"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// held is a transaction that a case holds open between its steps. It runs in a goroutine of its own, where Transact
// waits for the next step.
type held struct {
	p     *probe
	h     *handle
	ctx   context.Context // the transaction's
	steps chan func() error
	task  *task
}

// errRollback is what a held transaction returns to be rolled back.
var errRollback = errors.New("rolled back by the case")

// outside does what is done outside of an open transaction, unless that has the only connection.
func (p *probe) outside(f func()) {
	if !p.db.OneConnection {
		f()
	}
}

// begin begins a transaction.
func (p *probe) begin(h *handle) *held {
	tx := &held{p: p, h: h, steps: make(chan func() error)}
	began := make(chan struct{})
	tx.task = p.start(func(ctx context.Context) error {
		return h.drv.(driver.Transactor).Transact(ctx, func(ctx context.Context) error {
			tx.ctx = ctx
			close(began)
			return tx.follow(ctx)
		})
	})
	select {
	case <-began:
	case <-tx.task.done:
		p.fail("begin a transaction: it ended before its function was called: %w", tx.task.err)
	}
	return tx
}

// errEnd ends follow without an error.
var errEnd = errors.New("committed by the case")

// follow does the steps until one of them ends the transaction, or the case does.
func (tx *held) follow(ctx context.Context) error {
	for {
		select {
		case step := <-tx.steps:
			if err := step(); errors.Is(err, errEnd) {
				return nil
			} else if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// do runs f inside the transaction and waits for it.
func (tx *held) do(f func(ctx context.Context)) {
	done := make(chan struct{})
	var panicked any
	step := func() error {
		defer close(done)
		defer func() { panicked = recover() }()
		f(tx.ctx)
		return nil
	}
	select {
	case tx.steps <- step:
		<-done
	case <-tx.task.done:
		tx.p.fail("the transaction ended by itself: %w", tx.task.err)
	}
	if panicked != nil {
		panic(panicked)
	}
}

// append appends inside the transaction, and ends the case if that fails.
func (tx *held) append(stream driver.StreamID, expected driver.ExpectedVersion, events ...driver.Event) {
	_, err := tx.tryCommit(write(stream, expected, events...))
	tx.p.ok(err, "append %d events to stream %q inside a transaction", len(events), stream)
}

// tryCommit commits inside the transaction.
func (tx *held) tryCommit(writes ...driver.Write) (receipts []driver.Receipt, err error) {
	tx.do(func(ctx context.Context) { receipts, err = tx.h.commit(ctx, writes...) })
	return receipts, err
}

func (tx *held) commit() {
	tx.p.ok(tx.end(errEnd), "commit a transaction")
}

func (tx *held) rollback() {
	tx.p.is(tx.end(errRollback), errRollback, "roll a transaction back")
}

func (tx *held) end(how error) error {
	select {
	case tx.steps <- func() error { return how }:
	case <-tx.task.done:
		tx.p.fail("the transaction ended by itself: %w", tx.task.err)
	}
	<-tx.task.done
	return tx.task.err
}
