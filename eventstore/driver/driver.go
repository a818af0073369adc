// Package driver is what a backend implements to store Tidemark's events.
//
// A driver maps calls to its database and reports what happened. It never tries a commit again, logs, decodes a payload or
// takes from the clock what it stores: the portable eventstore.Store above it does all that once, for every driver. (What
// database/sql tries again by itself, the ids of the events keep harmless.) All methods are safe for
// concurrent use. Slices and maps that a driver is given stay the caller's: it neither changes nor keeps them. What it
// returns is the caller's from then on, so it is no memory that belongs to the database, as that of a mapped file, which
// changes or goes away once the transaction has ended.
//
// The portable layer sees to it that names (of streams and their types, events, states, content types, tags, checkpoints,
// owners) are non-empty UTF-8 without NUL of at most 255 bytes. They are compared byte by byte.
//
// [Store] is mandatory. The rest are capabilities, found once by type assertion in eventstore.New:
//
//   - [BatchCommitter]: many independent commits at once. Without it, each append is a Commit of its own.
//   - [Waiter]: news of commits, this value's own and those of other processes. Without it, readers at the head poll.
//   - [Snapshotter]: snapshots of aggregates. Without it, every load replays the whole stream.
//   - [TailReader]: a snapshot and the events after it in one round trip. Without it, they are read one after the other.
//   - [Checkpointer]: how far a projection has come. Without it, projections can't run on this driver.
//   - [Leaser]: one owner for a projection among many processes. Without it, every runner runs all of its projections.
//   - [DeadLetterer]: notes of events that could not be handled. Without it, a projection can only stop at them.
//   - [KeyStore]: keys of people, for package privacy. Without it, they are kept in another database.
//   - [Transactor]: the caller's transaction. Without it, a projection's handler sees each event at least once rather
//     than exactly once.
//   - [Migrator]: tables that have to be brought up to date.
//
// Never wrap a driver in another: the wrapper hides its capabilities. Package drivertest checks a driver against the
// contract, as far as that can be seen from outside: not whether a commit outlasts a crash.
package driver

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Store is a backend's mandatory part.
//
// Every method ends when its context ends, with an error for which errors.Is(err, ctx.Err()) holds. An error of the
// database is returned wrapped, so that errors.As finds it, and wraps [ErrRace] or [ErrUnavailable] where those apply.
// No error text holds a password.
type Store interface {
	// Commit makes all writes durable at once, or none of them, and returns one receipt a write, in order.
	//
	// For each write it checks Expected against the stream's version, under a guard that lets no other writer slip in
	// between the check and the commit, and stores Events at the versions that follow, with global positions that grow
	// in the order of the writes and of their events. A write without events only checks; its receipt carries the
	// stream's version and position 0. No stream stands in writes twice, no id in their events twice.
	//
	// It fails with *DuplicateError if any id in writes is stored already, even if a version check fails as well; else
	// with *ConflictError if a version check fails; with an error that wraps ErrRace if another writer won and nothing
	// was written, so that the same call, made again, will find a clear answer.
	//
	// Writers of different streams never wait for each other's transactions, unless the database has one writer only.
	// If ctx carries a transaction of this driver (see Transactor), Commit becomes part of it, and after a
	// *ConflictError or *DuplicateError that transaction is as usable as before.
	Commit(ctx context.Context, writes []Write) ([]Receipt, error)

	// ReadStream returns one page of a stream, in order of version. A missing stream is an empty page. The page ends
	// at q.Limit records or with the record that brings the sum of len(Data) to q.MaxBytes, whichever is first; a page
	// that reached neither is the last one. It sees every commit that returned before it was called.
	ReadStream(ctx context.Context, q StreamQuery) ([]Record, error)

	// ReadAll returns one page of the global log, in order of position, and how far it looked: no event will ever
	// appear at or below Page.Next that was not handed out already. Next is never below q.After. A page is cut like
	// ReadStream's, and then Next is its last record's position; if it was not cut, Next equals Head (or q.After, where
	// that is greater), and Head is no older than the call. It sees every commit that returned before it was called,
	// unless an older append is still under way. Reading makes no writer wait. Inside a transaction it hands out no event of that same transaction: it is not committed yet.
	ReadAll(ctx context.Context, q AllQuery) (Page, error)

	// Close releases everything that this driver value took for itself. It is called once, after all other calls have
	// returned. Other values on the same database, in the same process too, go on.
	Close() error
}

// StreamID names a stream: the aggregate's type and its id. Both are names, as the package comment has them, and Type has no
// hyphen. They have every other character in common, so a key made of both needs more between them than a separator: a
// length, or two columns.
type StreamID struct{ Type, ID string }

// String returns type and id with a hyphen between them, as in "order-42".
func (s StreamID) String() string { return s.Type + "-" + s.ID }

// ExpectedVersion says which version a stream must have for a write to succeed: a positive number is that version, and
// NoStream, Any and StreamExists are what their names say. The portable layer lets no other value through.
type ExpectedVersion int64

// The expectations that are not a version.
const (
	NoStream     ExpectedVersion = 0
	Any          ExpectedVersion = -1
	StreamExists ExpectedVersion = -2
)

// Met reports whether a stream at version actual (0 if it does not exist) is as expected.
func (e ExpectedVersion) Met(actual int64) bool {
	switch e {
	case Any:
		return true
	case StreamExists:
		return actual > 0
	default:
		return actual == int64(e)
	}
}

// String puts the expectation into words that follow "expected".
func (e ExpectedVersion) String() string {
	switch {
	case e == NoStream:
		return "no stream"
	case e == Any:
		return "any version"
	case e == StreamExists:
		return "an existing stream"
	case e > 0:
		return "version " + strconv.FormatInt(int64(e), 10)
	default:
		return "an invalid version"
	}
}

// Write is what one commit does to one stream.
type Write struct {
	Stream   StreamID
	Expected ExpectedVersion
	Events   []Event
	// Contended says that an earlier try of this write lost a race (ErrRace). A driver may then take a lock that it
	// would rather do without.
	Contended bool
	// Held says that an earlier try of this write met an open transaction (ErrHeld). Nobody comes after this call, so it may
	// wait, and had better return ErrHeld after some seconds, so that those who wait for a connection take turns.
	Held bool
}

// Event is an event as a writer hands it over. All of it comes back byte for byte.
type Event struct {
	ID          uuid.UUID
	Type        string    // a name
	Schema      int       // 1 or more
	ContentType string    // a name; that of JSON is "application/json", exactly so
	Data        []byte    // the payload, of at most 64 MiB; valid JSON if ContentType is that of JSON
	Metadata    []byte    // a JSON object of at most 16 MiB, or empty
	Tags        []string  // names
	RecordedAt  time.Time // UTC, whole microseconds
}

// Record is an event as it is stored.
type Record struct {
	Position int64 // in the global log; 1 or more, growing, with gaps
	Version  int64 // in the stream; 1 or more, without gaps
	Stream   StreamID
	// AppendSize is the number of events of its write in the first of them, and 0 in the others: it tells a whole
	// earlier write from a part of one.
	AppendSize int
	Event
}

// Receipt tells where a write ended.
type Receipt struct {
	Version  int64 // of the stream, after the write
	Position int64 // of the write's last event; 0 if it had none
}

// StreamQuery selects from one stream the versions From to To, both inclusive. To 0 means to the end. Backward hands out
// the same versions from the highest to the lowest. From, Limit and MaxBytes are 1 or more.
type StreamQuery struct {
	Stream   StreamID
	From, To int64
	Backward bool
	Limit    int
	MaxBytes int
}

// AllQuery selects from the global log what stands after position After. Types and StreamTypes, where not empty, keep
// only events of one of these types and of one of these stream types. With Limit 0 no record is read, Page.Next is After
// and Page.Head is up to date, which it need not be otherwise; MaxBytes is 1 or more.
type AllQuery struct {
	After              int64
	Types, StreamTypes []string
	Limit              int
	MaxBytes           int
}

// Page is a part of the global log.
type Page struct {
	Records []Record
	Next    int64 // continue after this position
	Head    int64 // the tide mark when the page was read, as far as the driver had to know it; at least the last Position
}
