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
// each value, and appendMany, which has a variant appendAcross, for any number of events of any number of streams, with a
// parameter for each column, an array in text form. Both forms
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
	if err := c.lock(ctx, g, patienceFor(writes)); err != nil {
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
	stored := make([]driver.Receipt, 0, events)
	err := c.each(ctx, c.appendStatement(writes, events), func(rows *sql.Rows) error {
		stored = append(stored, driver.Receipt{})
		r := &stored[len(stored)-1]
		return rows.Scan(&r.Version, &r.Position)
	}, appendArgs(writes, events, g)...)
	switch {
	case err != nil:
		return nil, err
	case len(stored) < events:
		return nil, errRefused
	}
	lastOf(writes, stored, receipts)
	return receipts, nil
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
