package postgres

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// statements are the statements of one store, with its schema filled in.
type statements struct {
	appendOne, appendMany          *statement
	appendBatch                    *statement
	appendSmall                    [maxSmall + 1]*statement // by the number of events, from 2 on
	appendOneInTx, appendManyInTx  *statement
	appendAcross, appendAcrossInTx *statement
	lockStreams, lockStreamsInTx   *statement
	versions, byID                 *statement
	stream, streamBackward, log    pages
	tail                           *statement
	mark                           *statement
	loadSnapshot, saveSnapshot     *statement
	loadCheckpoint, moveCheckpoint *statement
	acquireLease, createLease      *statement
	saveLease, releaseLease        *statement
	selectLease, selectLeases      *statement
	saveDeadLetter                 *statement
	deleteDeadLetter               *statement
	selectDeadLetters              *statement
	keys                           keyStatements
	notify                         *statement

	all []*statement
}

func newStatements(schema string) *statements {
	s := new(statements)
	fill := func(text string) *statement {
		st := &statement{text: inSchema(schema, text)}
		s.all = append(s.all, st)
		return st
	}
	alone := func(text string) *statement { return fill(bounded(text, pq.QuoteLiteral(patience))) }
	inTx := func(text string) *statement { return fill(bounded(text, "")) }
	s.appendOne = alone(locked(appendOne, takeLock, guardOne))
	s.appendMany = alone(locked(appendMany, takeLock, guardMany))
	s.appendBatch = alone(locked(appendBatch, takeLock, guardMany))
	for n := 2; n <= maxSmall; n++ {
		s.appendSmall[n] = alone(smallStatement(n))
	}
	s.appendAcross = alone(locked(appendAcross, takeLock, guardMany))
	s.appendOneInTx = inTx(locked(appendOne, takeLockOnce, guardOne))
	s.appendManyInTx = inTx(locked(appendMany, takeLockOnce, guardMany))
	s.appendAcrossInTx = inTx(locked(appendAcross, takeLockOnce, guardMany))
	s.lockStreamsInTx = inTx(lockStreams)
	s.lockStreams = fill(bounded(lockStreams, "$3::text"))
	s.versions = fill(selectVersions)
	s.byID = fill(selectByID)
	fillPages := func(rows, order string) pages {
		plain, sized := selectPage(rows, order)
		return pages{fill(plain), fill(sized)}
	}
	s.stream = fillPages(fromStream, "version")
	s.streamBackward = fillPages(fromStream, "version DESC")
	s.log = fillPages(fromLog, "global_position")
	s.tail = fill(selectTail)
	s.mark = fill(selectMark)
	s.loadSnapshot = fill(loadSnapshot)
	s.saveSnapshot = fill(saveSnapshot)
	s.loadCheckpoint = fill(loadCheckpoint)
	s.moveCheckpoint = fill(moveCheckpoint)
	s.acquireLease = fill(acquireLease)
	s.createLease = fill(createLease)
	s.saveLease = fill(saveLease)
	s.releaseLease = fill(releaseLease)
	s.selectLease = fill(selectLease)
	s.selectLeases = fill(selectLeases)
	s.saveDeadLetter = fill(saveDeadLetter)
	s.deleteDeadLetter = fill(deleteDeadLetter)
	s.selectDeadLetters = fill(selectDeadLetters)
	s.keys = newKeyStatements(fill)
	s.notify = fill(sendNotify)
	return s
}

// locked fills in how an append takes the lock of the tide mark, and how the empty text is had that the streams' locks leave
// behind.
func locked(text, lock, guarded string) string {
	return strings.NewReplacer("{lock}", strings.ReplaceAll(lock, "{guarded}", guarded)).Replace(text)
}

// inSchema fills in a schema's name where SQL leaves room for it.
func inSchema(schema, text string) string {
	quoted := pq.QuoteIdentifier(schema)
	return strings.NewReplacer(
		"{schema}", quoted,
		"{namespace}", pq.QuoteLiteral(quoted),
		"{sequence}", pq.QuoteLiteral(quoted+".events_position_seq")+"::regclass",
		"{migrations}", pq.QuoteLiteral(quoted+".migrations"),
		"{events}", pq.QuoteLiteral(quoted+".events")+"::regclass",
		"{checkpoints}", pq.QuoteLiteral(quoted+".subscription_checkpoints")+"::regclass",
	).Replace(text)
}

// close gives the statements back. What can't be given back is gone with its connection.
func (s *statements) close() {
	for _, st := range s.all {
		for p := st.latest.Load(); p != nil; p = p.older {
			_ = p.stmt.Close()
		}
	}
}

// statement is prepared when it is first used, and then once on each connection by database/sql.
//
// The server plans a prepared statement for the table as it is then, and plans again when it has gathered statistics,
// which may be a minute later. What suits an empty table, to read all of it for one stream's version, is ruinous for one
// that is being filled. So a statement that was prepared for a small table is prepared anew when the table has grown
// fourfold, until it is large enough for any plan to use the indexes. The earlier ones stay open until the end, because
// somebody may be about to use them; there are a handful.
type statement struct {
	text     string
	latest   atomic.Pointer[prepared]
	renewing atomic.Bool
}

type prepared struct {
	stmt  *sqlx.Stmt
	size  int64 // of the log at that time
	older *prepared
}

const (
	smallLog = 256
	largeLog = 1 << 20
)

// outgrown reports whether the log has become much larger.
func (p *prepared) outgrown(size int64) bool {
	return p.size < largeLog && size > 4*max(p.size, smallLog)
}

func (st *statement) prepare(ctx context.Context, s *Store) (*sqlx.Stmt, error) {
	size := s.size.Load()
	if latest := st.latest.Load(); latest != nil {
		if !latest.outgrown(size) || !st.renewing.CompareAndSwap(false, true) {
			return latest.stmt, nil
		}
		defer st.renewing.Store(false)
	}
	stmt, err := s.db.PreparexContext(ctx, st.text)
	if err != nil {
		return nil, err
	}
	st.add(&prepared{stmt: stmt, size: size})
	return stmt, nil
}

// add keeps a statement even if others have prepared the same at the same time. To close one of them, database/sql waits for
// the connection that it was prepared on, which may be busy by now with what waits for the caller's transaction.
func (st *statement) add(p *prepared) {
	for p.older = st.latest.Load(); !st.latest.CompareAndSwap(p.older, p); {
		p.older = st.latest.Load()
	}
}

// conn is what the statements of a call run on: the pool, or a transaction.
type conn struct {
	store  *Store
	tx     *sqlx.Tx // nil for the pool
	joined *joined  // nil unless it is the caller's transaction
}

// query runs a statement. The caller closes the rows.
func (c conn) query(ctx context.Context, st *statement, args ...any) (*sql.Rows, error) {
	prepared, err := c.prepare(ctx, st)
	switch {
	case err != nil:
		return nil, err
	case prepared != nil:
		return prepared.QueryContext(ctx, args...)
	case c.tx != nil:
		return c.tx.QueryContext(ctx, st.text, args...)
	default:
		return c.store.db.QueryContext(ctx, st.text, args...)
	}
}

// prepare returns nil where a statement is to be sent as it is.
func (c conn) prepare(ctx context.Context, st *statement) (*sqlx.Stmt, error) {
	switch {
	case c.store.options.Unprepared:
		return nil, nil
	case c.tx == nil:
		return st.prepare(ctx, c.store)
	}
	stmt := c.prepareAside(ctx, st)
	if stmt == nil {
		return nil, nil
	}
	return c.tx.StmtxContext(ctx, stmt), nil
}

// prepareAside prepares a statement that is used in a transaction. database/sql does that on another connection, and the
// transaction may have the only one: then it goes unprepared, or as it was prepared before.
func (c conn) prepareAside(ctx context.Context, st *statement) *sqlx.Stmt {
	latest := st.latest.Load()
	if latest != nil && !latest.outgrown(c.store.size.Load()) {
		return latest.stmt
	}
	if pool := c.store.db.Stats(); pool.MaxOpenConnections == 0 || pool.InUse < pool.MaxOpenConnections {
		const patience = 100 * time.Millisecond // if the last connection was taken just now
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if stmt, err := st.prepare(ctx, c.store); err == nil {
			return stmt
		}
	}
	if latest == nil {
		return nil
	}
	return latest.stmt
}

// each runs a statement and calls scan for each row.
func (c conn) each(ctx context.Context, st *statement, scan func(rows *sql.Rows) error, args ...any) error {
	rows, err := c.query(ctx, st, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// row runs a statement and scans its only row; ok is false if it has none.
func (c conn) row(ctx context.Context, st *statement, into []any, args ...any) (ok bool, err error) {
	err = c.each(ctx, st, func(rows *sql.Rows) error {
		ok = true
		return rows.Scan(into...)
	}, args...)
	return ok, err
}

// exec sends a command without parameters to the transaction.
func (c conn) exec(ctx context.Context, command string) error {
	_, err := c.tx.ExecContext(ctx, command)
	return err
}
