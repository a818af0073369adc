package drivertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// transactionClauses is section T of the contract.
func transactionClauses() []clause {
	return []clause{t1(), t2()}
}

func t1() clause {
	needs := []need{transactor}
	state := []need{transactor, snapshotter, checkpointer}
	owned := []need{transactor, leaser, deadLetterer}
	return clause{id: "T1", text: "Inside a transaction of the caller's, appends, snapshots, checkpoints and the caller's own " +
		"writes commit together or not at all.",
		cases: []testCase{
			{name: "appends commit together", needs: needs, run: appendsCommitTogether},
			{name: "appends are rolled back together", needs: needs, run: appendsRollBackTogether},
			{name: "snapshots and checkpoints commit with the appends", needs: state, run: stateCommits},
			{name: "snapshots and checkpoints are rolled back with the appends", needs: state, run: stateRollsBack},
			{name: "leases and dead letters commit with the appends", needs: owned, run: leasesCommit},
			{name: "leases and dead letters are rolled back with the appends", needs: owned, run: leasesRollBack},
			{name: "a release is rolled back with its transaction", needs: []need{transactor, leaser}, run: releaseRollsBack},
			{name: "an error is returned as it is, and a panic passes", needs: needs, run: errorsPass},
			{name: "a transaction inside another joins it", needs: needs, run: innerJoins},
			{name: "a function that joins and fails leaves the end to the outer one", needs: needs, run: innerFails},
			{name: "a transaction sees its own writes", needs: needs, run: seesItsOwn},
			{name: "the outcome is told after the end", needs: needs, run: outcomeIsTold},
			{name: "the outcome is told at once after the end", needs: needs, run: outcomeIsToldLate},
			{name: "a context that ends inside the transaction", needs: needs, run: contextEndsInside},
			{name: "a transaction of another database is refused", needs: needs, run: otherDatabaseRefused},
			{name: "a transaction that has ended is refused", needs: needs, run: endedRefused},
			{name: "a transaction of another database is refused while others append", needs: needs, run: otherDatabaseRefusedAmongOthers},
			{name: "a transaction that has ended is refused while others append", needs: needs, run: endedRefusedAmongOthers},
		}}
}

func (h *handle) transact(ctx context.Context, f func(ctx context.Context) error) error {
	return h.drv.(driver.Transactor).Transact(ctx, f)
}

// appendTwice appends to two streams inside a transaction, while nobody outside sees anything of it.
func (p *probe) appendTwice() *held {
	tx := p.begin(p.handle)
	for range 2 {
		tx.append(named("a"), driver.Any, events(2)...)
		tx.append(named("b"), driver.Any, events(1)...)
		p.outside(func() {
			p.equal(0, len(p.log()), "events in the log before the transaction has ended")
			p.equal(0, len(p.stream(named("a"))), "events in a stream before the transaction has ended")
		})
	}
	return tx
}

func appendsCommitTogether(p *probe) {
	p.appendTwice().commit()
	p.equal(6, len(p.log()), "events in the log after the transaction was committed")
	for _, stream := range []driver.StreamID{named("a"), named("b")} {
		p.contiguous(p.stream(stream))
	}
	p.append(named("a"), 4, events(1)...)
}

func appendsRollBackTogether(p *probe) {
	p.appendTwice().rollback()
	p.equal(0, len(p.log()), "events in the log after the transaction was rolled back")
	p.equal(0, len(p.stream(named("a"))), "events in a stream after the transaction was rolled back")
	p.append(named("a"), driver.NoStream, events(1)...)
}

// writeState appends, saves a snapshot and moves a checkpoint inside a transaction.
func (p *probe) writeState() *held {
	tx := p.begin(p.handle)
	tx.append(named("a"), driver.NoStream, events(2)...)
	tx.do(func(ctx context.Context) {
		p.ok(p.drv.(driver.Snapshotter).SaveSnapshot(ctx, snapshot(named("a"), 2)), "save a snapshot inside a transaction")
		p.ok(p.moveCheckpoint(ctx, "a", 0, 7), "move a checkpoint inside a transaction")
	})
	p.outside(func() { p.noState("before the transaction has ended") })
	return tx
}

func (p *probe) noState(when string) {
	p.equal(0, len(p.log()), "events in the log %s", when)
	_, ok := p.load(named("a"))
	p.that(!ok, "the snapshot is there %s", when)
	position, err := p.drv.(driver.Checkpointer).LoadCheckpoint(p.ctx, "a")
	p.ok(err, "load a checkpoint %s", when)
	p.equal(int64(0), position, "checkpoint %s", when)
}

func stateCommits(p *probe) {
	p.writeState().commit()
	p.equal(2, len(p.log()), "events in the log after the transaction was committed")
	p.snapshotIs(snapshot(named("a"), 2))
	p.checkpointIs("a", 7)
}

func stateRollsBack(p *probe) {
	p.writeState().rollback()
	p.noState("after the transaction was rolled back")
	p.ok(p.moveCheckpoint(p.ctx, "a", 0, 1), "move the checkpoint after the transaction was rolled back")
}

// errorsPass compares errors by identity: one that is wrapped is not returned as it is.
func errorsPass(p *probe) {
	own := errors.New("the caller's own")
	err := p.transact(p.ctx, func(ctx context.Context) error {
		p.insert(ctx, p.handle, named("a"))
		return own
	})
	p.that(err == own, "Transact returns %s, its function returned %q", brief(err), own)
	p.that(p.panics(own) == own, "a panic in a transaction does not pass")
	p.equal(0, len(p.log()), "events in the log after an error and a panic")
	p.append(named("a"), driver.NoStream, events(1)...)
}

// insert appends one event as part of whatever ctx carries.
func (p *probe) insert(ctx context.Context, h *handle, stream driver.StreamID) {
	_, err := h.commit(ctx, write(stream, driver.Any, events(1)...))
	p.ok(err, "append to stream %q", stream)
}

// panics returns what comes out of a transaction whose function appends and panics.
func (p *probe) panics(with any) (passed any) {
	defer func() { passed = recover() }()
	err := p.transact(p.ctx, func(ctx context.Context) error {
		p.insert(ctx, p.handle, named("a"))
		panic(with)
	})
	return err
}

func innerJoins(p *probe) {
	nested := func(end error) error {
		return p.transact(p.ctx, func(ctx context.Context) error {
			p.insert(ctx, p.handle, named("a"))
			err := p.transact(ctx, func(ctx context.Context) error {
				p.inTransaction(ctx, true, "inside a transaction inside another")
				p.insert(ctx, p.handle, named("b"))
				return nil
			})
			p.ok(err, "the inner transaction")
			return end
		})
	}
	p.is(nested(errRollback), errRollback, "a transaction that is rolled back after an inner one ended well")
	p.equal(0, len(p.log()), "events in the log after it")
	p.ok(nested(nil), "a transaction with an inner one")
	p.equal(2, len(p.log()), "events in the log after it")
}

// innerFails has a function that joined a transaction fail. Its caller must be told, and may commit all the same.
func innerFails(p *probe) {
	own := errors.New("the inner function's own")
	nested := func(end error) error {
		return p.transact(p.ctx, func(ctx context.Context) error {
			p.insert(ctx, p.handle, named("a"))
			err := p.transact(ctx, func(ctx context.Context) error {
				p.insert(ctx, p.handle, named("b"))
				return own
			})
			p.that(err == own, "a Transact that joins returns %s, its function returned %q", brief(err), own)
			p.inTransaction(ctx, true, "inside a transaction after an inner one has failed")
			p.insert(ctx, p.handle, named("c"))
			return end
		})
	}
	p.is(nested(errRollback), errRollback, "a transaction that is rolled back after an inner one has failed")
	p.equal(0, len(p.log()), "events in the log after it")
	p.ok(nested(nil), "a transaction that returns nil after an inner one has failed")
	p.equal(3, len(p.log()), "events in the log after it")
}

func seesItsOwn(p *probe) {
	p.append(named("a"), driver.NoStream, events(1)...)
	tx := p.begin(p.handle)
	tx.append(named("a"), 1, events(2)...)
	tx.append(named("a"), 3, events(1)...)
	tx.do(func(ctx context.Context) {
		stored, err := p.readStream(ctx, named("a"))
		p.ok(err, "read a stream inside a transaction")
		p.equal(4, len(stored), "events that a transaction sees in a stream of 1 to which it appended 3")
		p.contiguous(stored)
		if drv, ok := p.drv.(driver.Checkpointer); ok {
			p.ok(drv.SaveCheckpoint(ctx, "a", 0, 7, someTime), "move a checkpoint inside a transaction")
			position, err := drv.LoadCheckpoint(ctx, "a")
			p.ok(err, "load a checkpoint inside a transaction")
			p.equal(int64(7), position, "checkpoint as the transaction sees it that moved it")
		}
		if drv, ok := p.drv.(driver.Snapshotter); ok {
			p.ok(drv.SaveSnapshot(ctx, snapshot(named("a"), 4)), "save a snapshot inside a transaction")
			s, _, err := drv.LoadSnapshot(ctx, named("a"))
			p.ok(err, "load a snapshot inside a transaction")
			p.equal(int64(4), s.Version, "version of the snapshot as the transaction sees it that saved it")
		}
	})
	tx.commit()
	p.contiguous(p.stream(named("a")))
}

func outcomeIsTold(p *probe) {
	drv := p.drv.(driver.Transactor)
	p.inTransaction(p.ctx, false, "without a transaction")
	for n, end := range []error{nil, errRollback, nil} {
		var told []bool
		var visible int
		err := drv.Transact(p.ctx, func(ctx context.Context) error {
			p.inTransaction(ctx, true, "inside a transaction")
			p.insert(ctx, p.handle, named("%d", n))
			drv.OnEnd(ctx, func(committed bool) { told = append(told, committed) })
			drv.OnEnd(ctx, func(committed bool) {
				told = append(told, committed)
				visible = len(p.stream(named("%d", n)))
			})
			p.equal(0, len(told), "outcomes told before the transaction has ended")
			return end
		})
		p.that(errors.Is(err, end), "Transact returns %s, its function returned %v", brief(err), end)
		p.equal([]bool{end == nil, end == nil}, told, "outcomes told to two that asked")
		p.equal(end == nil, visible == 1, "event of the transaction is there when the outcome is told")
	}
}

// outcomeIsToldLate asks with the context of a transaction that has ended.
func outcomeIsToldLate(p *probe) {
	for _, end := range []error{nil, errRollback} {
		var kept context.Context
		err := p.transact(p.ctx, func(ctx context.Context) error {
			kept = ctx
			return end
		})
		p.that(errors.Is(err, end), "Transact returns %s, its function returned %v", brief(err), end)
		var told []bool
		p.drv.(driver.Transactor).OnEnd(kept, func(committed bool) { told = append(told, committed) })
		p.equal([]bool{end == nil}, told, "outcome told to one that asks after the end")
	}
}

// contextEndsInside has the context end while the function goes on, and return nil.
func contextEndsInside(p *probe) {
	ctx, cancel := context.WithCancel(p.ctx)
	var told []bool
	err := p.transact(ctx, func(ctx context.Context) error {
		p.insert(ctx, p.handle, named("a"))
		p.drv.(driver.Transactor).OnEnd(ctx, func(committed bool) { told = append(told, committed) })
		cancel()
		return nil
	})
	p.equal(0, len(p.stream(named("a"))), "events of a transaction whose context ended inside, with Transact returning %s", brief(err))
	p.is(err, context.Canceled, "a transaction whose context was cancelled inside")
	p.equal([]bool{false}, told, "outcome told of a transaction whose context was cancelled inside")
	p.append(named("b"), driver.NoStream, events(1)...)
}

func (p *probe) inTransaction(ctx context.Context, want bool, where string) {
	in, err := p.drv.(driver.Transactor).InTransaction(ctx)
	p.ok(err, "ask whether this is %s", where)
	p.equal(want, in, "InTransaction %s", where)
}

// otherDatabaseRefused begins a transaction in one database and passes its context to a handle on another.
func otherDatabaseRefused(p *probe) {
	p.inOtherDatabase(func(ctx context.Context) { p.refused(ctx, "a transaction of another database") })
	p.equal(0, len(p.log()), "events in the log")
}

func (p *probe) inOtherDatabase(f func(ctx context.Context)) {
	err := p.foreign().transact(p.ctx, func(ctx context.Context) error {
		f(ctx)
		return nil
	})
	p.ok(err, "a transaction of another database")
}

// outlived returns the context of a transaction that has ended.
func (p *probe) outlived() (kept context.Context) {
	err := p.transact(p.ctx, func(ctx context.Context) error {
		kept = ctx
		return nil
	})
	p.ok(err, "a transaction without a call")
	return kept
}

func endedRefused(p *probe) {
	p.refused(p.outlived(), "a transaction that has ended")
	p.equal(0, len(p.log()), "events in the log")
}

func (p *probe) refused(ctx context.Context, carried string) {
	_, err := p.drv.Commit(ctx, []driver.Write{write(named("a"), driver.Any, events(1)...)})
	p.that(err != nil, "Commit takes a context with %s", carried)
	_, err = p.readStream(ctx, named("a"))
	p.that(err != nil, "ReadStream takes a context with %s", carried)
	_, err = p.drv.ReadAll(ctx, driver.AllQuery{Limit: 1, MaxBytes: 1})
	p.that(err != nil, "ReadAll takes a context with %s", carried)
	err = p.transact(ctx, func(context.Context) error { return nil })
	p.that(err != nil, "Transact takes a context with %s", carried)
	_, err = p.drv.(driver.Transactor).InTransaction(ctx)
	p.that(err != nil, "InTransaction takes a context with %s", carried)
}

func otherDatabaseRefusedAmongOthers(p *probe) {
	p.inOtherDatabase(func(ctx context.Context) { p.refusedAmongOthers(ctx, "a transaction of another database") })
}

func endedRefusedAmongOthers(p *probe) {
	p.refusedAmongOthers(p.outlived(), "a transaction that has ended")
}

// refusedAmongOthers appends through the portable store, half with a context and half without what it carries. The former
// must be refused, and not ride along in a batch of the latter.
func (p *probe) refusedAmongOthers(ctx context.Context, carried string) {
	const each = 20
	store := p.portable()
	p.together(2*each, func(plain context.Context, i int) error {
		if i%2 == 0 {
			_, err := store.Append(plain, named("%d", i), eventstore.NoStream, notes(3)...)
			return err
		}
		if _, err := store.Append(ctx, named("%d", i), eventstore.NoStream, notes(3)...); err == nil {
			return fmt.Errorf("an append with %s succeeds", carried)
		}
		return nil
	})
	p.equal(3*each, len(p.log()), "events in the log")
}
