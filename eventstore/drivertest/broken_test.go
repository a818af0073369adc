package drivertest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

// broken is a driver on a toy that does what its fields do; they start as the sound toy's methods.
type broken struct {
	*toyHandle
	commit         func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error)
	commitBatch    func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error)
	readStream     func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error)
	readAll        func(ctx context.Context, q driver.AllQuery) (driver.Page, error)
	watchCommits   func(ctx context.Context, wake func()) error
	saveSnapshot   func(ctx context.Context, s driver.Snapshot) error
	loadSnapshot   func(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error)
	readTail       func(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error)
	saveCheckpoint func(ctx context.Context, name string, from, to int64, at time.Time) error
	loadCheckpoint func(ctx context.Context, name string) (int64, error)
	acquire        func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error)
	saveLease      func(ctx context.Context, l driver.Lease, from int64, at time.Time) error
	releaseLease   func(ctx context.Context, name string, token int64, at time.Time) error
	leases         func(ctx context.Context, prefix string) ([]driver.Lease, error)
	saveDead       func(ctx context.Context, d driver.DeadLetter) error
	deleteDead     func(ctx context.Context, projection string, position int64) error
	deadLetters    func(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error)
	transact       func(ctx context.Context, fn func(ctx context.Context) error) error
	inTransaction  func(ctx context.Context) (bool, error)
	onEnd          func(ctx context.Context, f func(committed bool))
	migrate        func(ctx context.Context) error
	closeHandle    func() error
	keys           brokenKeys

	batches bool // it likes its commits in batches
}

func newBroken(h *toyHandle) *broken {
	b := &broken{toyHandle: h, commit: h.Commit, readStream: h.ReadStream, readAll: h.ReadAll, watchCommits: h.Watch,
		saveSnapshot: h.SaveSnapshot, loadSnapshot: h.LoadSnapshot, readTail: h.ReadTail, saveCheckpoint: h.SaveCheckpoint,
		loadCheckpoint: h.LoadCheckpoint, acquire: h.Acquire, saveLease: h.SaveLease, releaseLease: h.ReleaseLease,
		leases: h.Leases, saveDead: h.SaveDeadLetter, deleteDead: h.DeleteDeadLetter, deadLetters: h.DeadLetters,
		transact: h.Transact, inTransaction: h.InTransaction, onEnd: h.OnEnd, migrate: h.Migrate,
		closeHandle: h.Close}
	b.commitBatch = func(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
		outcomes := make([]driver.Outcome, len(commits))
		for i, writes := range commits {
			outcomes[i].Receipts, outcomes[i].Err = b.commit(ctx, writes)
		}
		return outcomes, nil
	}
	return b
}

func (b *broken) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	return b.commit(ctx, writes)
}

func (b *broken) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	return b.commitBatch(ctx, commits)
}

// Batching has the portable layer commit side by side, so that mistakes in Commit meet concurrency.
func (b *broken) Batching() driver.Batching {
	if b.batches {
		return b.toyHandle.Batching()
	}
	return driver.Batching{Direct: 100, Lanes: 1, MaxCommits: 20, MaxEvents: 1000}
}

func (b *broken) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	return b.readStream(ctx, q)
}

func (b *broken) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	return b.readAll(ctx, q)
}

func (b *broken) Watch(ctx context.Context, wake func()) error { return b.watchCommits(ctx, wake) }

func (b *broken) SaveSnapshot(ctx context.Context, s driver.Snapshot) error {
	return b.saveSnapshot(ctx, s)
}

func (b *broken) LoadSnapshot(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error) {
	return b.loadSnapshot(ctx, stream)
}

func (b *broken) ReadTail(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
	return b.readTail(ctx, q)
}

func (b *broken) SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error {
	return b.saveCheckpoint(ctx, name, from, to, at)
}

func (b *broken) LoadCheckpoint(ctx context.Context, name string) (int64, error) {
	return b.loadCheckpoint(ctx, name)
}

func (b *broken) Acquire(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
	return b.acquire(ctx, name, owner, now, until)
}

func (b *broken) SaveLease(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
	return b.saveLease(ctx, l, from, at)
}

func (b *broken) ReleaseLease(ctx context.Context, name string, token int64, at time.Time) error {
	return b.releaseLease(ctx, name, token, at)
}

func (b *broken) Leases(ctx context.Context, prefix string) ([]driver.Lease, error) {
	return b.leases(ctx, prefix)
}

func (b *broken) SaveDeadLetter(ctx context.Context, d driver.DeadLetter) error {
	return b.saveDead(ctx, d)
}

func (b *broken) DeleteDeadLetter(ctx context.Context, projection string, position int64) error {
	return b.deleteDead(ctx, projection, position)
}

func (b *broken) DeadLetters(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error) {
	return b.deadLetters(ctx, projection, after, limit)
}

func (b *broken) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	return b.transact(ctx, fn)
}

func (b *broken) InTransaction(ctx context.Context) (bool, error) { return b.inTransaction(ctx) }

// inside reports whether ctx carries a transaction.
func (b *broken) inside(ctx context.Context) bool {
	in, err := b.toyHandle.InTransaction(ctx)
	return in && err == nil
}

func (b *broken) OnEnd(ctx context.Context, f func(committed bool)) { b.onEnd(ctx, f) }

func (b *broken) Migrate(ctx context.Context) error { return b.migrate(ctx) }

func (b *broken) Close() error { return b.closeHandle() }

// flaw is a mistake of a driver and the cases that catch it.
type flaw struct {
	name    string
	spoil   func(b *broken)
	catches []catch
	// hangs says that the mistake keeps a call from returning before the case's end.
	hangs bool
}

// catch is a case and what its error says: a case that fails for another reason proves nothing.
type catch struct{ at, says string }

func (f *flaw) open(context.Context) (*drivertest.Database, error) {
	return newToy().database(func(h *toyHandle) driver.Store {
		b := newBroken(h)
		f.spoil(b)
		return b
	}), nil
}

func (f *flaw) check(t *testing.T, c catch) {
	opts := &drivertest.Options{Only: []string{c.at}}
	if f.hangs {
		opts.Patience = time.Second
	}
	err := drivertest.Check(t.Context(), f.open, opts)
	var failure *drivertest.Failure
	require.ErrorAs(t, err, &failure, "the case passes")
	require.Equal(t, c.at, failure.Clause+"/"+failure.Case)
	require.ErrorContains(t, failure.Err, c.says)
}

func flaws() []flaw {
	return slices.Concat(appendFlaws(), atomicityFlaws(), retryFlaws(), roundtripFlaws(), readFlaws(), interruptFlaws(), logFlaws(), markFlaws(),
		wakeFlaws(), batchFlaws(), transactionFlaws(), stateFlaws(), tailFlaws(), leaseFlaws(), deadLetterFlaws(), keyFlaws(), closeFlaws())
}

func TestBrokenDrivers(t *testing.T) {
	for _, f := range flaws() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range f.catches {
				t.Run(c.at, func(t *testing.T) { f.check(t, c) })
			}
		})
	}
}

// A case that has never failed proves nothing.
func TestEveryCaseCatchesABrokenDriver(t *testing.T) {
	caught := make(map[string]bool)
	for _, f := range flaws() {
		for _, c := range f.catches {
			caught[c.at] = true
		}
	}
	for _, c := range drivertest.Clauses() {
		for _, name := range c.Cases {
			require.True(t, caught[c.ID+"/"+name], "no broken driver fails %s/%s", c.ID, name)
			delete(caught, c.ID+"/"+name)
		}
	}
	require.Empty(t, caught, "broken drivers name cases that don't exist")
}

// The drivers that are broken on purpose are sound apart from that.
func TestUnspoiltDriverPasses(t *testing.T) {
	f := flaw{spoil: func(*broken) {}}
	require.NoError(t, drivertest.Check(t.Context(), f.open, nil))
}

var errRaw = errors.New("ERROR 23505: duplicate key value violates unique constraint")
