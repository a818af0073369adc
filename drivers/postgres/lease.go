package postgres

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// A lease is a row, and a transaction that has changed it holds the row's lock to its end. That is what fences: nobody
// acquires the lease before it is known whether its owner's work is committed.
//
// Acquire never waits for such a transaction. It skips a row that is locked, and before it inserts one it tries a lock
// that is keyed by the oid of the table and a hash of the name, since an insert beside another one would wait.
//
// A process that is frozen in the midst of a transaction would hold the lease beyond its time. So Acquire and SaveLease
// set idle_in_transaction_session_timeout, until the transaction's end, to the lease's time, unless it is shorter
// already: after that the server ends the session.
const (
	leaseColumns = `c.subscription_name, c.position, c.token, c.owner, c.leased_until, c.state, c.updated_at`

	leaseKey = `{checkpoints}::oid::integer, hashtext($1::text)`

	// A row that is not free is not locked either, so that its owner does not wait for one who was denied.
	acquireLease = `WITH free AS MATERIALIZED (
	SELECT subscription_name FROM {schema}.subscription_checkpoints
	WHERE subscription_name = $1::text
		AND (owner IS NULL OR owner = $2::text OR leased_until <= $3::timestamptz)
	FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE {schema}.subscription_checkpoints c
SET token = c.token + CASE WHEN c.owner = $2::text THEN 0 ELSE 1 END, owner = $2::text,
	leased_until = $4::timestamptz, updated_at = $3::timestamptz
FROM free
WHERE c.subscription_name = free.subscription_name
RETURNING ` + leaseColumns + `, ` + limitIdle

	createLease = `INSERT INTO {schema}.subscription_checkpoints AS c
	(subscription_name, position, token, owner, leased_until, updated_at)
SELECT $1::text, 0, 1, $2::text, $4::timestamptz, $3::timestamptz
WHERE pg_try_advisory_xact_lock(` + leaseKey + `)
ON CONFLICT DO NOTHING
RETURNING ` + leaseColumns + `, ` + limitIdle

	// One row comes back in any case, so that the limit is set even for one who waited for a row's lock in vain: he may
	// keep it until his transaction ends.
	saveLease = `WITH saved AS (
	UPDATE {schema}.subscription_checkpoints
	SET position = $6::bigint, leased_until = $4::timestamptz, state = $7::json, updated_at = $3::timestamptz
	WHERE subscription_name = $1::text AND owner = $2::text AND token = $8::bigint AND position = $9::bigint
	RETURNING true
)
SELECT count(*) = 1, ` + limitIdle + ` FROM saved`

	// Outside of a transaction the setting ends with the statement.
	limitIdle = `set_config('idle_in_transaction_session_timeout', least($5::bigint, nullif(
	(extract(epoch FROM current_setting('idle_in_transaction_session_timeout')::interval) * 1000)::bigint, 0))::text, true)`

	releaseLease = `UPDATE {schema}.subscription_checkpoints SET owner = NULL, leased_until = NULL, updated_at = $3::timestamptz
WHERE subscription_name = $1::text AND token = $2::bigint AND owner IS NOT NULL`

	selectLease = `SELECT ` + leaseColumns + ` FROM {schema}.subscription_checkpoints c WHERE c.subscription_name = $1::text`

	selectLeases = `SELECT ` + leaseColumns + ` FROM {schema}.subscription_checkpoints c
WHERE starts_with(c.subscription_name, $1::text)
ORDER BY c.subscription_name`
)

// Acquire implements driver.Leaser.
func (s *Store) Acquire(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
	lease, err := with(ctx, s, func(c conn) (lease driver.Lease, err error) {
		attempt := func() error {
			lease, err = c.acquire(ctx, name, owner, now, until)
			return err
		}
		if c.tx == nil {
			return lease, attempt()
		}
		return lease, c.savepoint(ctx, attempt)
	})
	if err != nil {
		return driver.Lease{}, failed(ctx, "acquire the lease "+name, err)
	}
	return lease, nil
}

func (c conn) acquire(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
	args := []any{name, owner, timestamp(now), timestamp(until), idleLimit(until.Sub(now))}
	lease, ok, err := c.changedLease(ctx, c.store.sql.acquireLease, args)
	if err != nil || ok {
		return lease, err
	}
	stored, found, err := c.lease(ctx, name)
	if err != nil {
		return stored, err
	}
	if !found {
		lease, ok, err = c.changedLease(ctx, c.store.sql.createLease, args)
		if err != nil || ok {
			return lease, err
		}
	}
	if stored.Owner == owner || !stored.Until.After(now) { // as far as can be seen it was free, so its row is locked
		stored = driver.Lease{Name: name}
	}
	return driver.Lease{}, &driver.HeldError{Lease: stored}
}

// changedLease runs a statement that makes somebody the owner; ok is false if it did not.
func (c conn) changedLease(ctx context.Context, st *statement, args []any) (l driver.Lease, ok bool, err error) {
	err = c.each(ctx, st, func(rows *sql.Rows) error {
		ok = true
		return scanLease(rows, &l, new(string))
	}, args...)
	return l, ok && err == nil, err
}

// SaveLease implements driver.Leaser.
func (s *Store) SaveLease(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
	_, err := with(ctx, s, func(c conn) (struct{}, error) { return struct{}{}, c.saveLease(ctx, l, from, at) })
	return failed(ctx, "save the lease "+l.Name, err)
}

func (c conn) saveLease(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
	var state *string
	if l.State != nil {
		state = text(l.State)
	}
	var saved bool
	_, err := c.row(ctx, c.store.sql.saveLease, []any{&saved, new(string)}, l.Name, l.Owner, timestamp(at), timestamp(l.Until),
		idleLimit(l.Until.Sub(at)), l.Position, state, l.Token, from)
	if err != nil || saved {
		return err
	}
	// To look a moment later is no harm: a lease that was lost is never the same again.
	stored, found, err := c.lease(ctx, l.Name)
	switch {
	case err != nil:
		return err
	case found && stored.Owner == l.Owner && stored.Token == l.Token:
		return driver.ErrCheckpointMoved
	default:
		return driver.ErrLeaseLost
	}
}

// idleLimit returns what idle_in_transaction_session_timeout takes, in milliseconds.
func idleLimit(d time.Duration) int64 { return min(max(d.Milliseconds(), 1), math.MaxInt32) }

// ReleaseLease implements driver.Leaser.
func (s *Store) ReleaseLease(ctx context.Context, name string, token int64, at time.Time) error {
	_, err := with(ctx, s, func(c conn) (bool, error) {
		return c.row(ctx, s.sql.releaseLease, nil, name, token, timestamp(at))
	})
	return failed(ctx, "release the lease "+name, err)
}

// Leases implements driver.Leaser.
func (s *Store) Leases(ctx context.Context, prefix string) ([]driver.Lease, error) {
	list, err := with(ctx, s, func(c conn) (list []driver.Lease, err error) {
		err = c.each(ctx, s.sql.selectLeases, func(rows *sql.Rows) error {
			list = append(list, driver.Lease{})
			return scanLease(rows, &list[len(list)-1])
		}, prefix)
		return list, err
	})
	if err != nil {
		return nil, failed(ctx, "list the leases", err)
	}
	return list, nil
}

func (c conn) lease(ctx context.Context, name string) (l driver.Lease, found bool, err error) {
	err = c.each(ctx, c.store.sql.selectLease, func(rows *sql.Rows) error {
		found = true
		return scanLease(rows, &l)
	}, name)
	return l, found && err == nil, err
}

// scanLease reads leaseColumns and what comes after them.
func scanLease(rows *sql.Rows, l *driver.Lease, more ...any) error {
	var owner sql.NullString
	var until sql.NullTime
	into := append([]any{&l.Name, &l.Position, &l.Token, &owner, &until, &l.State, &l.UpdatedAt}, more...)
	err := rows.Scan(into...)
	l.Owner, l.UpdatedAt = owner.String, l.UpdatedAt.UTC()
	if until.Valid {
		l.Until = until.Time.UTC()
	}
	return err
}

// leaseAnswer reports whether err is an answer about a lease rather than a failure.
func leaseAnswer(err error) bool {
	var held *driver.HeldError
	return errors.As(err, &held) || errors.Is(err, driver.ErrLeaseLost)
}
