package postgres

import (
	"context"
	"database/sql"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Two appends to one stream can't both succeed: the unique index on version lets one of them through, and the other has
// lost a race. The index alone does not do where
//
//   - a write only checks its stream: it stores nothing that could stand in another writer's way;
//   - many writers want the same stream: one wins, and all others have worked for nothing.
//
// So every append takes a shared advisory lock on its streams, which costs next to nothing, and these two take an
// exclusive one, in a statement of its own, so that what comes after it sees what the others have done. Their shared ones
// they take in the same statement: two transactions that went on to those with exclusive ones in hand could wait for each
// other. Nobody waits for an exclusive lock on a stream that he has nothing to do with, save for a hash that collides.
//
// A stream's lock is keyed by the oid of the events table and a hash of its name. The server keeps locks in shared
// memory of a fixed size, some 6,400 with default settings, so a transaction that may touch any number of streams,
// which is a caller's or one of more than maxFine streams, takes coarse locks instead: there are 256 of them for all
// streams. Writes that only check take both.

const maxFine = 64

// guards are the stream locks of a commit, sorted and unique, so that transactions take them in one order.
type guards struct {
	shared    []int32
	exclusive []int32
}

func guardsFor(writes []driver.Write, inTx bool) guards {
	if w := &writes[0]; len(writes) == 1 && len(w.Events) > 0 && !w.Contended && !inTx {
		fine, _ := guardKeys(w.Stream)
		return guards{shared: []int32{fine}}
	}
	shared, exclusive := make(map[int32]bool, len(writes)), make(map[int32]bool)
	checks := checksBesides(writes, inTx)
	for i := range writes {
		w := &writes[i]
		fine, coarse := guardKeys(w.Stream)
		if checks || w.Contended {
			exclusive[fine] = true
		}
		switch {
		case len(w.Events) == 0 && checks:
			exclusive[coarse] = true
		case inTx || len(writes) > maxFine:
			shared[coarse] = true
		default:
			shared[fine] = true
		}
	}
	return guards{shared: slices.Sorted(maps.Keys(shared)), exclusive: slices.Sorted(maps.Keys(exclusive))}
}

// checksBesides reports whether a stream is only checked while something else is stored. A check alone is over when it
// has looked.
func checksBesides(writes []driver.Write, inTx bool) bool {
	checks := slices.ContainsFunc(writes, func(w driver.Write) bool { return len(w.Events) == 0 })
	return checks && (inTx || len(writes) > 1)
}

// guardKeys returns two keys that never meet: a fine one is negative, a coarse one is not.
func guardKeys(stream driver.StreamID) (fine, coarse int32) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(stream.Type + "\x00" + stream.ID)) // a hash does not fail
	sum := h.Sum32()
	return int32(sum | 1<<31), int32(sum & 255)
}

// How an append takes the shared locks: for one event on one stream, and for the streams of an array.
const (
	guardOne  = `pg_advisory_xact_lock_shared({events}::oid::integer, $5::integer{bounded})::text`
	guardMany = `guarded.nothing`
)

// A transaction may hold a stream for as long as its caller likes, and whoever appends to the stream waits for its end, in the
// unique index or for a lock. An append outside of a caller's transaction must not keep a lane meanwhile that others come after
// in, so its wait is bounded, and ends with driver.ErrHeld. The bound is a setting that is local to the append's transaction.
// It stands in the key of the first lock that is asked for, so that it is made before; where there are many keys, in a SELECT of
// its own, which runs once.
const (
	patience     = "100ms"
	heldPatience = "2s" // more than the server's usual deadlock_timeout

	boundBy = ` + (set_config('lock_timeout', {patience}, true) IS NULL)::integer` // + 0
)

const lockStreams = `SELECT count(CASE WHEN g.exclusive THEN pg_advisory_xact_lock({events}::oid::integer, g.key + (SELECT 0{bounded}))::text
	ELSE pg_advisory_xact_lock_shared({events}::oid::integer, g.key + (SELECT 0{bounded}))::text END)
FROM unnest($1::integer[], $2::boolean[]) AS g (key, exclusive)`

// bounded fills in the bound of a statement's wait, an SQL expression, or none.
func bounded(text, patience string) string {
	bound := ""
	if patience != "" {
		bound = strings.ReplaceAll(boundBy, "{patience}", patience)
	}
	return strings.ReplaceAll(text, "{bounded}", bound)
}

// lock takes the locks of a commit that needs exclusive ones. In a transaction of the append's own it bounds how long that
// waits for locks, then and later.
func (c conn) lock(ctx context.Context, g guards, patience string) error {
	if len(g.exclusive) == 0 {
		return nil
	}
	nothing := func(*sql.Rows) error { return nil }
	keys, exclusive := g.inOrder()
	if c.joined != nil {
		return c.each(ctx, c.store.sql.lockStreamsInTx, nothing, keys, exclusive)
	}
	return c.each(ctx, c.store.sql.lockStreams, nothing, keys, exclusive, patience)
}

// inOrder returns the keys of all locks, and which of them are exclusive, as arrays.
func (g guards) inOrder() (keys, exclusive string) {
	all := slices.Concat(g.shared, g.exclusive)
	slices.Sort(all)
	all = slices.Compact(all)
	var flags array
	for _, key := range all {
		_, found := slices.BinarySearch(g.exclusive, key)
		flags.plain(strconv.FormatBool(found))
	}
	return integers(all), flags.String()
}

func patienceFor(writes []driver.Write) string {
	if writes[0].Held {
		return heldPatience
	}
	return patience
}
