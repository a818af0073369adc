package postgres

import (
	"cmp"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Whoever stores an event at a version at which an open transaction has stored one waits for its end. So that two appends
// which meet in several streams don't wait for each other, all store by stream, in one order. appendMany stores in the
// order of the writes, in which positions must grow. appendAcross is for writes whose streams come in another order: it
// sorts once more, when the positions are taken.
const (
	// checkMany is what comes before the events are stored, and eventsOfMany are those, in the order of the writes.
	checkMany = `WITH input AS MATERIALIZED (
	SELECT $1::text[] AS stream_type, $2::text[] AS stream_id, $3::bigint[] AS low, $4::bigint[] AS high,
		$5::integer[] AS guard, $6::bigint[] AS of_write, $7::bigint[] AS nth, $8::integer[] AS append_size, $9::uuid[] AS id,
		$10::text[] AS event_type, $11::integer[] AS schema_version, $12::text[] AS content_type, $13::json[] AS event_data,
		$14::bytea[] AS event_bytes, $15::json[] AS metadata, $16::text[] AS tags, $17::timestamptz[] AS created_at
), guarded AS MATERIALIZED (
	SELECT string_agg(pg_advisory_xact_lock_shared({events}::oid::integer, g.key + (SELECT 0{bounded}))::text, '') AS nothing
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
)`

	eventsOfMany = `
	SELECT c.stream_type, c.stream_id, c.version + e.nth AS version, e.*
	FROM input i CROSS JOIN LATERAL
		unnest(i.of_write, i.nth, i.append_size, i.id, i.event_type, i.schema_version, i.content_type, i.event_data,
			i.event_bytes, i.metadata, i.tags, i.created_at) WITH ORDINALITY
			AS e (of_write, nth, append_size, id, event_type, schema_version, content_type, event_data,
				event_bytes, metadata, tags, created_at, place)
		JOIN checked c ON c.write = e.of_write
	WHERE (SELECT bool_and(c.version BETWEEN c.low AND c.high) FROM checked c)
	ORDER BY e.place
`

	appendMany = checkMany + `
INSERT INTO {schema}.events ` + columns + `
SELECT a.id, a.stream_id, a.stream_type, a.event_type, a.schema_version, a.content_type, a.event_data, a.event_bytes,
	a.metadata, a.tags::text[], a.version, nextval({sequence}), a.created_at, a.append_size
FROM (` + eventsOfMany + `) a
RETURNING version, global_position`

	appendAcross = checkMany + `
INSERT INTO {schema}.events ` + columns + `
SELECT a.id, a.stream_id, a.stream_type, a.event_type, a.schema_version, a.content_type, a.event_data, a.event_bytes,
	a.metadata, a.tags::text[], a.version, a.global_position, a.created_at, a.append_size
FROM (
	SELECT a.*, nextval({sequence}) AS global_position
	FROM (` + eventsOfMany + `) a
	OFFSET 0
) a
ORDER BY a.stream_type COLLATE "C", a.stream_id COLLATE "C", a.version
RETURNING version, global_position`
)

// appendStatement returns what stores writes with so many events.
func (c conn) appendStatement(writes []driver.Write, events int) *statement {
	s := c.store.sql
	one, many, across := s.appendOne, s.appendMany, s.appendAcross
	if c.tx != nil {
		one, many, across = s.appendOneInTx, s.appendManyInTx, s.appendAcrossInTx
	}
	switch {
	case len(writes) == 1 && events == 1:
		return one
	case slices.IsSortedFunc(writes, byStream):
		return many
	default:
		return across
	}
}

func byStream(a, b driver.Write) int {
	return cmp.Or(cmp.Compare(a.Stream.Type, b.Stream.Type), cmp.Compare(a.Stream.ID, b.Stream.ID))
}

// lastOf fills in the receipts of writes with the last event of each. The events come in the order in which they were
// stored, and are put into that of the writes, in which their positions grow.
func lastOf(writes []driver.Write, events, receipts []driver.Receipt) {
	slices.SortFunc(events, func(a, b driver.Receipt) int { return cmp.Compare(a.Position, b.Position) })
	for i := range writes {
		if n := len(writes[i].Events); n > 0 {
			receipts[i], events = events[n-1], events[n:]
		}
	}
}
