package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// An append is one statement, in two forms: appendOne for a single event, by far the most frequent, with a parameter for
// each value, and appendMany for any number of events of any number of streams, with a parameter for each column, an
// array in text form. Both forms
//
//  1. take the shared locks of the streams, see guard.go;
//  2. take the lock of the tide mark, see mark.go;
//  3. read the versions of the streams;
//  4. if all are as expected, take the positions from the sequence, in the events' order, and store the events.
//
// Each step takes something from the one before: 2 and 3 an empty text that a lock leaves behind, 4 the versions. Where
// a version is not as expected, no position is taken and no row comes back.
//
// OFFSET 0 keeps the planner from merging the steps. The locks are a row that the versions are joined to, so that they are
// taken whatever the plan: a SELECT in a condition would run when its value is first needed, and where the server scans a
// small table rather than its index, that may be never. In appendMany the parameters go through a materialized row, because
// the planner looks into arrays that are constant, and then holds a plan for this very array to be cheaper than one
// that serves for all: it would plan each append anew.
const (
	columns = `(id, stream_id, stream_type, event_type, schema_version, content_type, event_data, event_bytes, metadata,
	tags, version, global_position, created_at, append_size)`

	appendOne = `WITH locked AS MATERIALIZED (
	SELECT {lock} AS nothing
)
INSERT INTO {schema}.events ` + columns + `
SELECT $6::uuid, $2::text, $1::text, $7::text, $8::integer, $9::text, $10::json, decode($11::text, 'hex'), $12::json,
	$13::text[], checked.version + 1, nextval({sequence}), $14::timestamptz, 1
FROM (
	SELECT coalesce((
		SELECT e.version FROM {schema}.events e
		WHERE e.stream_type = $1::text AND e.stream_id = $2::text || locked.nothing
		ORDER BY e.version DESC LIMIT 1
	), 0) AS version
	FROM locked
	OFFSET 0
) checked
WHERE checked.version BETWEEN $3::bigint AND $4::bigint
RETURNING version, global_position`

	appendMany = `WITH input AS MATERIALIZED (
	SELECT $1::text[] AS stream_type, $2::text[] AS stream_id, $3::bigint[] AS low, $4::bigint[] AS high,
		$5::integer[] AS guard, $6::bigint[] AS of_write, $7::bigint[] AS nth, $8::integer[] AS append_size, $9::uuid[] AS id,
		$10::text[] AS event_type, $11::integer[] AS schema_version, $12::text[] AS content_type, $13::json[] AS event_data,
		$14::bytea[] AS event_bytes, $15::json[] AS metadata, $16::text[] AS tags, $17::timestamptz[] AS created_at
), guarded AS MATERIALIZED (
	SELECT string_agg(pg_advisory_xact_lock_shared({events}::oid::integer, g.key{bounded})::text, '') AS nothing
	FROM input i CROSS JOIN LATERAL unnest(i.guard) AS g (key)
), locked AS MATERIALIZED (
	SELECT {lock} AS nothing
	FROM guarded
), checked AS MATERIALIZED (
	SELECT w.write, w.stream_type, w.stream_id, w.low, w.high, coalesce((
			SELECT e.version FROM {schema}.events e
			WHERE e.stream_type = w.stream_type AND e.stream_id = w.stream_id || locked.nothing
			ORDER BY e.version DESC LIMIT 1
		), 0) AS version
	FROM locked, input i CROSS JOIN LATERAL
		unnest(i.stream_type, i.stream_id, i.low, i.high) WITH ORDINALITY AS w (stream_type, stream_id, low, high, write)
)
INSERT INTO {schema}.events ` + columns + `
SELECT a.id, a.stream_id, a.stream_type, a.event_type, a.schema_version, a.content_type, a.event_data, a.event_bytes,
	a.metadata, a.tags::text[], a.version, nextval({sequence}), a.created_at, a.append_size
FROM (
	SELECT c.stream_type, c.stream_id, c.version + e.nth AS version, e.*
	FROM input i CROSS JOIN LATERAL
		unnest(i.of_write, i.nth, i.append_size, i.id, i.event_type, i.schema_version, i.content_type, i.event_data,
			i.event_bytes, i.metadata, i.tags, i.created_at) WITH ORDINALITY
			AS e (of_write, nth, append_size, id, event_type, schema_version, content_type, event_data,
				event_bytes, metadata, tags, created_at, place)
		JOIN checked c ON c.write = e.of_write
	WHERE (SELECT bool_and(c.version BETWEEN c.low AND c.high) FROM checked c)
	ORDER BY e.place
) a
RETURNING version, global_position`
)

// errRefused says that a stream was not at its expected version, or was not when the statement looked.
var errRefused = errors.New("a stream is not at its expected version")

// Commit implements driver.Store.
func (s *Store) Commit(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	receipts, err := with(ctx, s, func(c conn) ([]driver.Receipt, error) { return c.commit(ctx, writes) })
	return receipts, failed(ctx, "append to "+streamNames(writes), err)
}

// streamNames names the first streams.
func streamNames(writes []driver.Write) string {
	const most = 3
	var names []string
	for i := range min(len(writes), most) {
		names = append(names, writes[i].Stream.String())
	}
	list := strings.Join(names, ", ")
	if len(writes) > most {
		list += fmt.Sprintf(" and %d others", len(writes)-most)
	}
	return list
}

func (c conn) commit(ctx context.Context, writes []driver.Write) (receipts []driver.Receipt, err error) {
	if err := checkTags(writes); err != nil {
		return nil, err
	}
	guards := guardsFor(writes, c.tx != nil)
	attempt := func(c conn) error {
		receipts, err = c.attempt(ctx, writes, guards)
		return err
	}
	switch {
	case c.tx != nil:
		err = c.inCallers(ctx, func() error { return attempt(c) })
	case len(guards.exclusive) > 0:
		err = c.inTransaction(ctx, attempt)
	default:
		err = attempt(c)
	}
	if err != nil {
		c.letGo(err)
		return nil, c.explain(ctx, writes, err)
	}
	c.announce(receipts)
	return receipts, nil
}

// announce tells the readers of an append, once it is visible.
func (c conn) announce(receipts []driver.Receipt) {
	last := int64(0)
	for _, r := range receipts {
		last = max(last, r.Position)
	}
	c.store.size.raise(last)
	switch {
	case last == 0:
	case c.joined != nil:
		c.joined.appended = true
	default:
		c.store.news.moved()
	}
}

// letGo tells the readers that an append was refused: until then it held the mark, and whoever was woken meanwhile by
// another's commit may have looked in vain. What was appended before in the same transaction holds it still, as may an
// append of which the server has not said that it is over.
func (c conn) letGo(err error) {
	over := errors.Is(err, errRefused) || refusedAsAWhole(err)
	if over && (c.joined == nil || !c.joined.appended) {
		c.store.news.moved()
	}
}

// inTransaction runs f in a transaction of its own.
func (c conn) inTransaction(ctx context.Context, f func(c conn) error) error {
	tx, err := c.store.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	if err := f(conn{store: c.store, tx: tx}); err != nil {
		_ = tx.Rollback() // if that fails the connection is lost, and the server rolls back
		return err
	}
	return tx.Commit()
}

// attempt tries once. It reports errRefused if a version is not as expected.
func (c conn) attempt(ctx context.Context, writes []driver.Write, g guards) ([]driver.Receipt, error) {
	if err := c.lock(ctx, g.exclusive, patienceFor(writes)); err != nil {
		return nil, err
	}
	receipts := make([]driver.Receipt, len(writes))
	if err := c.checkOnly(ctx, writes, receipts); err != nil {
		return nil, err
	}
	events := 0
	for i := range writes {
		events += len(writes[i].Events)
	}
	if events == 0 {
		return receipts, nil
	}
	stored := newStoredEvents(writes, receipts)
	err := c.each(ctx, c.appendStatement(writes, events), stored.scan, appendArgs(writes, events, g)...)
	if err == nil && stored.left > 0 {
		err = errRefused
	}
	return receipts, err
}

func (c conn) appendStatement(writes []driver.Write, events int) *statement {
	one := len(writes) == 1 && events == 1
	switch {
	case one && c.tx != nil:
		return c.store.sql.appendOneInTx
	case one:
		return c.store.sql.appendOne
	case c.tx != nil:
		return c.store.sql.appendManyInTx
	default:
		return c.store.sql.appendMany
	}
}

// storedEvents turns the rows of an append, one for each event in order, into receipts: a write's last row is its
// receipt.
type storedEvents struct {
	writes   []driver.Write
	receipts []driver.Receipt
	write    int // the row is of this one
	nth      int // and so many of its events came before
	left     int
}

func newStoredEvents(writes []driver.Write, receipts []driver.Receipt) *storedEvents {
	s := &storedEvents{writes: writes, receipts: receipts}
	for i := range writes {
		s.left += len(writes[i].Events)
	}
	return s
}

func (s *storedEvents) scan(rows *sql.Rows) error {
	for s.nth == len(s.writes[s.write].Events) {
		s.write, s.nth = s.write+1, 0
	}
	s.nth++
	s.left--
	r := &s.receipts[s.write]
	return rows.Scan(&r.Version, &r.Position)
}

// bounds are the lowest and the highest version that an expectation admits.
func bounds(e driver.ExpectedVersion) (low, high int64) {
	switch e {
	case driver.Any:
		return 0, math.MaxInt64
	case driver.StreamExists:
		return 1, math.MaxInt64
	default:
		return int64(e), int64(e)
	}
}
