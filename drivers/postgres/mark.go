package postgres

import (
	"context"
	"errors"
	"fmt"
)

// # The tide mark
//
// A position is taken from a sequence before its transaction commits, so events become visible in another order than
// that of their positions. A reader that remembers the highest position it has seen would skip what commits below it
// later. So readers stop at the tide mark: a position at or below which nothing can become visible any more.
//
// The writer's part. Before an append takes its first position, it takes a shared advisory lock that ends with its
// transaction, and writes a bound into the lock's key: the sequence's last value at that moment. So whoever holds a
// lock with bound b has taken, and will take, positions above b only. The lock is shared, and nobody takes it
// exclusively: writers never wait for it.
//
// The reader's part, in one statement (selectMark), whose snapshot precedes all it does:
//
//  1. It takes B, the smallest bound among the locks that are held now, from pg_locks.
//  2. The mark is the highest position up to B that is visible to the statement's snapshot.
//
// Only then, in a later statement, and so with a later snapshot, it reads the events up to the mark.
//
// Why that is enough. Suppose a transaction stores a position p at or below the mark that the later snapshot does not
// see. If its lock was seen in step 1, its positions are above its bound, hence above B, hence above the mark: p can't
// be one of them. If its lock was not seen, it was either let go before step 1, and a lock is let go after its
// transaction's end has become visible, so that the later snapshot sees p or never will anybody; or it was taken after
// step 1. Then p was taken from the sequence still later, while the mark had been taken before the snapshot that saw it:
// p is above the mark.
//
// mark_steps_internal_test.go checks this by machine, in every order in which the steps of some can come, and shows for each
// part of it that without it an event is lost.
//
// What depends on what. In both statements the order of steps follows from the data: each step reads what the step
// before it yields, if only an empty text, because PostgreSQL is free to run the parts of a statement in any other
// order. The rows must not be read by the statement that reads the locks: pg_locks tells of now, the snapshot is older,
// and a transaction that ended in between would be in neither. For the same reason a transaction that keeps one
// snapshot for all its statements (REPEATABLE READ) can't read the log at all, and is told so.
//
// Why the mark is a visible position rather than the sequence's last value. A rollback leaves positions unused that the
// server may not have on disk; after a crash the sequence hands them out again. A visible position is of a commit that
// is on disk, and with it all that the sequence did until then. So a checkpoint never stands beyond what a restarted
// server knows of, wherever it is kept. (synchronous_commit = off gives that up, together with the newest events.)
//
// What stalls the mark: a transaction that has appended and is still open, as it must. Nothing else does: not one that
// has not appended, in this database or another; not an append that was refused, because its savepoint gives the lock
// back. In a transaction of several appends the first lock is enough, since its bound is the lowest; a setting that is
// local to the transaction remembers it, and is forgotten exactly when a savepoint gives the lock back.
//
// The sequence must hand out every value at once and in order: CACHE 1, which checkTables looks after.
//
// A standby has no locks of the primary's writers, and may be behind with the rows up to a mark that the primary gave.
// So both statements fail there: a pool can reach a primary and its standby side by side, and what one connection has
// found out says nothing of the next. A server that is no standby does not become one: it is stopped first. One instant
// is left to a pool of the caller's, or a proxy: a standby that takes over between a statement's snapshot and its
// question. Where Open has several hosts it has no connection to a server before that takes over.
//
// Nor does logical replication take locks: it stores rows as they were committed elsewhere. But it takes no position
// from this sequence either, so what it has stored stands above the sequence's last value, and a reader who finds the
// mark there refuses to go on. Where writers take the positions that can't be. A position that is visible was taken
// before the statement's snapshot, and the last value, which is that of now whenever the statement comes to read it,
// has not gone back since: a crash keeps what the sequence did before a commit, see above, and a dump has the sequence
// with the table. (Who sets the sequence forward while replication still fills the table has himself to look after that
// nobody reads the log.)
//
// The key of a lock, 64 bits, is made of
//
//	1 bit    1: the key is negative, and stays clear of applications that use row ids as keys
//	23 bits  of the sequence's oid: stores in several schemas don't hold each other's mark
//	40 bits  the bound; the sequence ends at 2^40 - 1
//
// Should an application hold a lock that looks like one of ours, the mark stands still at its bound if that is lower
// than ours: late, never wrong.
const (
	// lastValue is 0 before the first position was taken. It must be this function, which reads under the lock that nextval
	// writes under: SELECT last_value, which does not, may see the value that nextval logs ahead, 32 above the one that it
	// hands out. A bound above a writer's positions loses its events.
	lastValue = `coalesce(pg_sequence_last_value({sequence}), 0)`

	lockKey = `(1::bigint << 63) | (({sequence}::oid::bigint & 8388607) << 40) |
		(` + lastValue + ` - length({guarded}))`

	takeLock = `pg_advisory_xact_lock_shared(` + lockKey + `)::text`

	takeLockOnce = `CASE coalesce(current_setting('tidemark.locked_' || {sequence}::oid, true), '') WHEN 'yes' THEN {guarded}
		ELSE pg_advisory_xact_lock_shared(` + lockKey + `)::text ||
			left(set_config('tidemark.locked_' || {sequence}::oid, 'yes', true), 0) END`

	selectMark = `WITH held AS MATERIALIZED (
	SELECT min(((l.classid::bigint & 255) << 32) | l.objid::bigint) AS bound
	FROM pg_locks l
	WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
		AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
		AND l.classid::bigint >> 8 = (8388608 | ({sequence}::oid::bigint & 8388607))
)
SELECT coalesce((
		SELECT max(e.global_position) FROM {schema}.events e
		WHERE e.global_position <= coalesce((SELECT held.bound FROM held), 1099511627775)
	), 0),
	` + lastValue + `, pg_is_in_recovery(), current_setting('transaction_isolation')`
)

// readMark returns the tide mark of now. The store remembers the highest: what was complete once stays complete.
func (c conn) readMark(ctx context.Context) (int64, error) {
	var mark, last int64
	var standby bool
	var isolation string
	_, err := c.row(ctx, c.store.sql.mark, []any{&mark, &last, &standby, &isolation})
	switch {
	case err != nil:
		return 0, err
	case standby:
		return 0, errStandby
	case c.tx != nil && isolation != "read committed" && isolation != "read uncommitted":
		return 0, fmt.Errorf("the transaction is %s, so it can't see the events that were committed after its first "+
			"statement and would skip them: read the log outside of it, or in a transaction that is READ COMMITTED", isolation)
	case mark > last:
		return 0, errSequenceBehind(c.store.options.Schema)
	}
	c.store.mark.raise(mark)
	c.store.size.raise(mark)
	return mark, nil
}

var errStandby = errors.New("this server is a standby, which does not know of the appends under way on its primary: " +
	"read the log from the primary")

// explainStandby tells of the error that reading rows of the log is on a standby.
func explainStandby(err error) error {
	const notInPrerequisiteState = "55000"
	if sqlState(err) == notInPrerequisiteState {
		return fmt.Errorf("%w: %w", errStandby, err)
	}
	return err
}

// errSequenceBehind says that not all positions were taken from the sequence.
func errSequenceBehind(schema string) error {
	return fmt.Errorf("sequence events_position_seq in schema %q stands below the highest global_position: after a restore of "+
		"the table alone, set it with setval, to a higher value than any checkpoint; a table that replication fills is no place "+
		"to read the log, since events come in another order than their positions: read it where they are appended", schema)
}
