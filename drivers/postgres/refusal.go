package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/lib/pq"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const (
	selectVersions = `SELECT coalesce((
		SELECT e.version FROM {schema}.events e
		WHERE e.stream_type = w.stream_type AND e.stream_id = w.stream_id
		ORDER BY e.version DESC LIMIT 1
	), 0)
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (stream_type, stream_id, write)
ORDER BY w.write`

	selectByID = `SELECT ` + recordColumns + ` FROM {schema}.events
WHERE id = ANY ($1::uuid[])
ORDER BY global_position`
)

// explain finds out what a refused append means. It looks later than the append did, and may find another reason than
// the append had, or none at all: then it was a race, and the next try will tell.
//
// It looks for the ids last. What is not there then was not there when the versions were read, so a retry whose first try
// is committed in between is told of that, and not of the version that its own events have moved.
func (c conn) explain(ctx context.Context, writes []driver.Write, err error) error {
	reason := fmt.Errorf("%w: %w", c.race(), err)
	switch {
	case errors.Is(err, errRefused):
		reason = c.conflict(ctx, writes)
	case sqlState(err) != uniqueViolation || ofTheUser(err):
		return err
	}
	stored, failure := c.storedAlready(ctx, writes)
	switch {
	case failure != nil:
		return failure
	case len(stored) > 0:
		return &driver.DuplicateError{Stored: stored}
	default:
		return reason
	}
}

// ofTheUser reports whether what is not unique is so by an index that is none of ours: that is nothing which another try mends.
// Only lib/pq's errors tell; with another driver such an append is tried again, some times in vain.
func ofTheUser(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && !slices.Contains([]string{"events_pkey", "events_stream_key", "events_id_key"}, refused.Constraint)
}

// errRaceInside: a transaction that keeps its snapshot can try as often as it likes, and does not see who was faster.
var errRaceInside = fmt.Errorf("%w, who may not be visible to this transaction: under REPEATABLE READ and SERIALIZABLE only a new "+
	"one can win", driver.ErrRace)

func (c conn) race() error {
	if c.joined != nil {
		return errRaceInside
	}
	return driver.ErrRace
}

func (c conn) storedAlready(ctx context.Context, writes []driver.Write) (records []driver.Record, err error) {
	var ids array
	for i := range writes {
		for j := range writes[i].Events {
			ids.plain(writes[i].Events[j].ID.String())
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	s := newScanner()
	err = c.each(ctx, c.store.sql.byID, func(rows *sql.Rows) error {
		r, err := s.scan(rows)
		records = append(records, r)
		return err
	}, ids.String())
	return records, err
}

// conflict returns the first conflict.
func (c conn) conflict(ctx context.Context, writes []driver.Write) error {
	versions, err := c.versions(ctx, writes)
	if err != nil {
		return err
	}
	for i, actual := range versions {
		if !writes[i].Expected.Met(actual) {
			return &driver.ConflictError{Stream: writes[i].Stream, Actual: actual}
		}
	}
	return fmt.Errorf("%w: the streams are as expected by now", driver.ErrRace)
}

// checkOnly checks the writes without events and fills in their receipts.
func (c conn) checkOnly(ctx context.Context, writes []driver.Write, receipts []driver.Receipt) error {
	var checks []driver.Write
	for i := range writes {
		if len(writes[i].Events) == 0 {
			checks = append(checks, writes[i])
		}
	}
	if len(checks) == 0 {
		return nil
	}
	versions, err := c.versions(ctx, checks)
	if err != nil {
		return err
	}
	for i := range writes {
		if len(writes[i].Events) > 0 {
			continue
		}
		if !writes[i].Expected.Met(versions[0]) {
			return errRefused
		}
		receipts[i].Version, versions = versions[0], versions[1:]
	}
	return nil
}

// versions returns the versions of the streams, in the order of writes.
func (c conn) versions(ctx context.Context, writes []driver.Write) ([]int64, error) {
	var types, ids array
	for i := range writes {
		types.text(writes[i].Stream.Type)
		ids.text(writes[i].Stream.ID)
	}
	var versions []int64
	err := c.each(ctx, c.store.sql.versions, func(rows *sql.Rows) error {
		versions = append(versions, 0)
		return rows.Scan(&versions[len(versions)-1])
	}, types.String(), ids.String())
	if err == nil && len(versions) != len(writes) {
		err = fmt.Errorf("asked for the versions of %d streams, got %d", len(writes), len(versions))
	}
	return versions, err
}
