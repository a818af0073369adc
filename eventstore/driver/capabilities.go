package driver

import (
	"context"
	"time"
)

// BatchCommitter makes commits of different callers durable together, where that is cheaper than one by one.
type BatchCommitter interface {
	// CommitBatch does for each of commits what Commit does, as if one came after the other, and returns an outcome for
	// each, in order: one that fails leaves nothing behind and harms no other. Streams and ids may stand in several
	// commits. An outcome of ErrRace is allowed wherever a clear answer would cost another round trip: the portable
	// layer tries again. An error instead of outcomes is a failure of the database that concerns all of them. ctx
	// carries no transaction.
	CommitBatch(ctx context.Context, commits [][]Write) ([]Outcome, error)
	// Batching says how the database likes its commits. It is asked once.
	Batching() Batching
}

// Outcome is what Commit would have returned.
type Outcome struct {
	Receipts []Receipt
	Err      error
}

// Batching tells the portable layer when to batch. All numbers are 1 or more, but those of a slow disk may be left out.
type Batching struct {
	Direct     int // so many commits at a time are best made one by one, side by side
	Lanes      int // beyond that, so many batches at a time
	MaxCommits int // in one batch
	MaxEvents  int // in one batch; a commit that has more goes alone

	// DirectIfSlow takes the place of Direct while every small commit takes longer than Slow: then commits wait for the
	// disk or the network, not for a processor, and batching them saves nothing. Default: 0, which is never.
	DirectIfSlow int
	Slow         time.Duration

	// Held is how many commits may wait at a time, apart from those above, for open transactions of others (ErrHeld).
	// Default: 1.
	Held int
}

// Waiter hears of commits.
type Waiter interface {
	// Watch calls wake once when it has begun to hear of commits, and from then on whenever events may have become
	// visible to ReadAll: by a commit through this driver value, by the end of a transaction that it took part in, and by
	// another process, the latter within some 50 milliseconds. The end of an append that is not stored counts as well if
	// it has held up other events. Watch calls wake rather once too often than once too rarely, but not all the time when
	// nothing is committed. wake does not block. Watch returns when ctx ends, or with an error as soon as it can't hear of
	// commits any longer: the portable layer then polls, says so in its log, and calls Watch again later. Several Watch
	// calls may run at the same time.
	Watch(ctx context.Context, wake func()) error
}

// Snapshotter keeps the latest snapshot of a stream.
type Snapshotter interface {
	// SaveSnapshot stores a snapshot unless there is one of a later version, in which case it does nothing. Inside a
	// transaction, a failure leaves the transaction usable.
	SaveSnapshot(ctx context.Context, s Snapshot) error
	// LoadSnapshot returns the snapshot of a stream; ok is false if there is none.
	LoadSnapshot(ctx context.Context, stream StreamID) (s Snapshot, ok bool, err error)
}

// Snapshot is an aggregate's state as of a version of its stream.
type Snapshot struct {
	Stream      StreamID
	Version     int64
	Type        string    // the state's registered name
	Schema      int       // 1 or more
	ContentType string    // as an Event's
	Data        []byte    // at most 256 MiB; valid JSON if ContentType is that of JSON
	RecordedAt  time.Time // UTC, whole microseconds
}

// TailReader reads what an aggregate is loaded from at once, where that saves a round trip. It goes with Snapshotter.
type TailReader interface {
	// ReadTail returns the snapshot of a stream, nil if there is none, and the first page of the events after the
	// snapshot's version, of all events if there is none; both as of one moment, which is no earlier than the call. Of q,
	// Stream, Limit and MaxBytes count, as they do in ReadStream.
	ReadTail(ctx context.Context, q StreamQuery) (*Snapshot, []Record, error)
}

// Checkpointer keeps the position up to which a projection has handled the global log.
type Checkpointer interface {
	// LoadCheckpoint returns a projection's position, 0 if it has none.
	LoadCheckpoint(ctx context.Context, name string) (int64, error)
	// SaveCheckpoint moves a projection's position to the given one, forward or back. It returns ErrCheckpointMoved and
	// changes nothing unless the stored position is from: of two runners that handle the same events only one commits.
	SaveCheckpoint(ctx context.Context, name string, from, to int64, at time.Time) error
}

// Transactor lets other calls join a transaction of the driver's database. A transaction is carried by the context, and
// every call of this driver that is given this context takes part. A context that carries a transaction of another
// database, or one that has ended, makes every call fail with an error that says so. That goes for the databases of this
// driver, and of those that carry transactions in the same way, as all that use package sqltx do: a driver can't see what
// another one hides under a key of its own, and such a call is made outside of that transaction.
type Transactor interface {
	// Transact runs fn in a transaction: committed if fn returns nil, rolled back if it returns an error, which is
	// returned as it is, or panics, or if ctx has ended when fn returns, which is an error like that of any other call.
	//
	// If ctx carries a transaction already, fn joins it: its error is returned as it is, and nothing ends. What the outer
	// fn returns decides, so that it may commit although an inner one has failed.
	Transact(ctx context.Context, fn func(ctx context.Context) error) error
	// InTransaction reports whether ctx carries a transaction of this driver's database. Its error is the one that every
	// call with this context fails with, because the transaction is another database's or has ended: the portable layer
	// asks before it has a commit ride with others, whose context is none of its caller's.
	InTransaction(ctx context.Context) (bool, error)
	// OnEnd has f run once the transaction of ctx has ended, and tells whether it was committed: not whether it was meant
	// to be. If it has ended already, f runs at once. f must not use the transaction.
	OnEnd(ctx context.Context, f func(committed bool))
}

// Migrator brings the tables up to date.
type Migrator interface {
	// Migrate creates or updates the tables. It may be called again, and by several processes at once. It refuses
	// tables that a later release has written.
	Migrate(ctx context.Context) error
}
