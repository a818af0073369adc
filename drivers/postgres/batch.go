package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// appendBatch is appendMany with a decision for each write of its own: those whose stream is as expected are stored, and
// their rows come back; the others are left out. Writes to one stream count as made one after the other, so that each
// expects what the ones before it leave; once one of them is left out, so are those after it.
const appendBatch = `WITH input AS MATERIALIZED (
	SELECT $1::text[] AS stream_type, $2::text[] AS stream_id, $3::bigint[] AS low, $4::bigint[] AS high,
		$5::integer[] AS guard, $6::bigint[] AS of_write, $7::bigint[] AS nth, $8::integer[] AS append_size, $9::uuid[] AS id,
		$10::text[] AS event_type, $11::integer[] AS schema_version, $12::text[] AS content_type, $13::json[] AS event_data,
		$14::bytea[] AS event_bytes, $15::json[] AS metadata, $16::text[] AS tags, $17::timestamptz[] AS created_at,
		$18::bigint[] AS events
), guarded AS MATERIALIZED (
	SELECT string_agg(pg_advisory_xact_lock_shared({events}::oid::integer, g.key + (SELECT 0{bounded}))::text, '') AS nothing
	FROM input i CROSS JOIN LATERAL unnest(i.guard) AS g (key)
), locked AS MATERIALIZED (
	SELECT {lock} AS nothing
	FROM guarded
), checked AS MATERIALIZED (
	SELECT w.*, coalesce((
			SELECT e.version FROM {schema}.events e
			WHERE e.stream_type = w.stream_type AND e.stream_id = w.stream_id || locked.nothing
			ORDER BY e.version DESC LIMIT 1
		), 0) + coalesce(sum(w.events) OVER (
			PARTITION BY w.stream_type, w.stream_id ORDER BY w.write ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
		), 0)::bigint AS version
	FROM locked, input i CROSS JOIN LATERAL
		unnest(i.stream_type, i.stream_id, i.low, i.high, i.events) WITH ORDINALITY
			AS w (stream_type, stream_id, low, high, events, write)
), decided AS MATERIALIZED (
	SELECT c.*, bool_and(c.version BETWEEN c.low AND c.high)
		OVER (PARTITION BY c.stream_type, c.stream_id ORDER BY c.write) AS met
	FROM checked c
)
INSERT INTO {schema}.events ` + columns + `
SELECT a.id, a.stream_id, a.stream_type, a.event_type, a.schema_version, a.content_type, a.event_data, a.event_bytes,
	a.metadata, a.tags::text[], a.version, nextval({sequence}), a.created_at, a.append_size
FROM (
	SELECT d.stream_type, d.stream_id, d.version + e.nth AS version, e.*
	FROM input i CROSS JOIN LATERAL
		unnest(i.of_write, i.nth, i.append_size, i.id, i.event_type, i.schema_version, i.content_type, i.event_data,
			i.event_bytes, i.metadata, i.tags, i.created_at) WITH ORDINALITY
			AS e (of_write, nth, append_size, id, event_type, schema_version, content_type, event_data,
				event_bytes, metadata, tags, created_at, place)
		JOIN decided d ON d.write = e.of_write
	WHERE d.met
	ORDER BY e.place
) a
RETURNING id, version, global_position`

// Batching implements driver.BatchCommitter. The server itself lets concurrent commits share a sync to disk; what batches
// save is the work for each transaction, here and there. Two in flight keep the server busy while the next is made up. Where
// a commit mostly waits, for a slow disk or over a network, there is work to spare, and two would have callers wait twice. Those
// that wait for somebody's open transaction may take half of the connections.
func (s *Store) Batching() driver.Batching {
	return driver.Batching{Direct: 1, Lanes: 2, MaxCommits: 256, MaxEvents: 1024, DirectIfSlow: 8, Slow: 1500 * time.Microsecond,
		Held: cmp.Or(s.db.Stats().MaxOpenConnections, 16) / 2}
}

// CommitBatch implements driver.BatchCommitter. What one statement can decide goes in one statement; the rest, which is
// what was refused, checks without events and writes to several streams, follows commit by commit.
func (s *Store) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	outcomes := make([]driver.Outcome, len(commits))
	if b := newBatch(commits); len(b.writes) > 1 {
		err := b.store(ctx, s, outcomes)
		if err != nil && !refusedAsAWhole(err) {
			return nil, failed(ctx, "append to "+streamNames(b.writes), err)
		}
	}
	held := make(map[driver.StreamID]error)
	for i := range outcomes {
		if outcomes[i].Receipts == nil {
			outcomes[i].Receipts, outcomes[i].Err = s.commitUnlessHeld(ctx, commits[i], held)
		}
	}
	return outcomes, nil
}

// commitUnlessHeld keeps the streams of what has waited in vain, so that the others in a batch need not wait for the same again.
func (s *Store) commitUnlessHeld(ctx context.Context, writes []driver.Write, held map[driver.StreamID]error) ([]driver.Receipt, error) {
	for i := range writes {
		if err := held[writes[i].Stream]; err != nil {
			return nil, err
		}
	}
	receipts, err := s.Commit(ctx, writes)
	if errors.Is(err, driver.ErrHeld) {
		for i := range writes {
			held[writes[i].Stream] = err
		}
	}
	return receipts, err
}

// refusedAsAWhole reports that the server has answered and stored nothing: one of the commits has spoiled the statement
// for all, by an id that is stored already, a lost race, or a payload that is no JSON.
func refusedAsAWhole(err error) bool {
	code := sqlState(err)
	return code != "" && !isLost(code)
}

// batch is what appendBatch is given: the only writes of some of the commits, sorted by stream, so that two batches which
// meet in several streams never wait for each other.
type batch struct {
	writes []driver.Write
	commit []int             // the index of each one's commit
	owner  map[uuid.UUID]int // the index of the first commit that has an event
}

func newBatch(commits [][]driver.Write) batch {
	b := batch{owner: make(map[uuid.UUID]int)}
	later := make(map[driver.StreamID]bool) // streams of commits that come after the statement, as must all behind them
	for i, writes := range commits {
		owns := b.own(writes, i)
		if w := &writes[0]; owns && len(writes) == 1 && len(w.Events) > 0 && !w.Contended && !later[w.Stream] {
			b.commit = append(b.commit, i)
			continue
		}
		for j := range writes {
			later[writes[j].Stream] = true
		}
	}
	slices.SortStableFunc(b.commit, func(i, j int) int {
		x, y := commits[i][0].Stream, commits[j][0].Stream
		return cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.ID, y.ID))
	})
	for _, i := range b.commit {
		b.writes = append(b.writes, commits[i][0])
	}
	return b
}

// own makes a commit the owner of those of its events that have no owner yet, and reports whether that is all of them. A
// retry that rides along with its first try comes after it, lest it is handed that one's receipt for its own.
func (b *batch) own(writes []driver.Write, commit int) bool {
	all := true
	for i := range writes {
		for j := range writes[i].Events {
			id := writes[i].Events[j].ID
			if _, owned := b.owner[id]; owned {
				all = false
				continue
			}
			b.owner[id] = commit
		}
	}
	return all
}

// statement returns what stores a batch, and its parameters.
func (b *batch) statement(s *statements) (*statement, []any) {
	if b.isSmall() {
		return s.appendSmall[len(b.writes)], b.smallArgs()
	}
	var sizes array
	for i := range b.writes {
		sizes.integer(int64(len(b.writes[i].Events)))
	}
	return s.appendBatch, append(appendManyArgs(b.writes, guardsFor(b.writes, false).shared), sizes.String())
}

// store runs the statement and fills in the outcomes of what it stored.
func (b *batch) store(ctx context.Context, s *Store, outcomes []driver.Outcome) error {
	statement, args := b.statement(s.sql)
	receipts := make([]driver.Receipt, len(outcomes))
	c := conn{store: s}
	err := c.each(ctx, statement, func(rows *sql.Rows) error {
		var id uuid.UUID
		var r driver.Receipt
		err := rows.Scan(&id, &r.Version, &r.Position)
		receipts[b.owner[id]] = r // the last of its events is the last to come
		return err
	}, args...)
	if err != nil {
		return err
	}
	for _, i := range b.commit {
		if receipts[i].Position > 0 {
			outcomes[i].Receipts = receipts[i : i+1 : i+1]
		}
	}
	c.announce(receipts)
	return nil
}
