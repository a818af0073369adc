package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const (
	leaseColumns = `subscription_name, position, token, owner, leased_until, state, updated_at`

	// acquireLease changes nothing if somebody else owns the lease.
	acquireLease = `INSERT INTO main.subscription_checkpoints
		(subscription_name, position, updated_at, token, owner, leased_until) VALUES (?1, 0, ?3, 1, ?2, ?4)
		ON CONFLICT DO UPDATE SET token = token + (owner IS NOT ?2), owner = ?2, leased_until = ?4, updated_at = ?3
		WHERE owner IS NULL OR owner = ?2 OR leased_until <= ?3`

	saveLease = `UPDATE main.subscription_checkpoints SET position = ?5, leased_until = ?6, state = ?7, updated_at = ?8
		WHERE subscription_name = ?1 AND owner = ?2 AND token = ?3 AND position = ?4`

	releaseLease = `UPDATE main.subscription_checkpoints SET owner = NULL, leased_until = NULL, updated_at = ?3
		WHERE subscription_name = ?1 AND token = ?2 AND owner IS NOT NULL`

	selectLease = `SELECT ` + leaseColumns + ` FROM main.subscription_checkpoints WHERE subscription_name = ?`

	selectLeases = `SELECT ` + leaseColumns + ` FROM main.subscription_checkpoints
		WHERE substr(subscription_name, 1, length(?1)) = ?1`
)

// Acquire implements driver.Leaser. There is one writer, so it waits for another transaction like everything that writes,
// and what it then sees is final: a HeldError always names the owner.
func (s *Store) Acquire(ctx context.Context, name, owner string, now, until time.Time) (lease driver.Lease, err error) {
	err = sqltx.In(ctx, s.writer.db, func(ctx context.Context) error {
		changed, err := s.change(ctx, acquireLease, name, owner, now.UnixMicro(), until.UnixMicro())
		if err != nil {
			return err
		}
		if lease, _, err = s.lease(ctx, name); err == nil && changed == 0 {
			err = &driver.HeldError{Lease: lease}
		}
		return err
	})
	if err != nil {
		return driver.Lease{}, s.file.wrap(ctx, "acquire the lease "+name, err)
	}
	return lease, nil
}

// SaveLease implements driver.Leaser. SQLite can't end the transaction of a process that has stopped in the midst of it:
// nobody writes to the file before it goes on or ends.
func (s *Store) SaveLease(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
	saved, err := s.change(ctx, saveLease, l.Name, l.Owner, l.Token, from, l.Position, l.Until.UnixMicro(),
		textOrNull(l.State), at.UnixMicro())
	if err == nil && saved == 0 {
		err = s.whyNotSaved(ctx, l)
	}
	return s.file.wrap(ctx, "save the lease "+l.Name, err)
}

// whyNotSaved looks a moment later, which is no harm: a lease that was lost is never the same again.
func (s *Store) whyNotSaved(ctx context.Context, l driver.Lease) error {
	stored, found, err := s.lease(ctx, l.Name)
	switch {
	case err != nil:
		return err
	case found && stored.Owner == l.Owner && stored.Token == l.Token:
		return driver.ErrCheckpointMoved
	default:
		return driver.ErrLeaseLost
	}
}

// ReleaseLease implements driver.Leaser.
func (s *Store) ReleaseLease(ctx context.Context, name string, token int64, at time.Time) error {
	_, err := s.change(ctx, releaseLease, name, token, at.UnixMicro())
	return s.file.wrap(ctx, "release the lease "+name, err)
}

// Leases implements driver.Leaser. They are sorted here, because SQLite compares texts in the database's encoding, which
// may be UTF-16.
func (s *Store) Leases(ctx context.Context, prefix string) ([]driver.Lease, error) {
	var list []driver.Lease
	err := s.read(ctx, func(from sqlx.QueryerContext) error {
		rows, err := from.QueryxContext(ctx, selectLeases, prefix)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			l, err := scanLease(rows)
			if err != nil {
				return err
			}
			list = append(list, l)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, s.file.wrap(ctx, "list the leases", err)
	}
	slices.SortFunc(list, func(a, b driver.Lease) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func (s *Store) lease(ctx context.Context, name string) (l driver.Lease, found bool, err error) {
	err = s.read(ctx, func(from sqlx.QueryerContext) error {
		l, err = scanLease(from.QueryRowxContext(ctx, selectLease, name))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return driver.Lease{}, false, nil
	}
	return l, err == nil, err
}

func scanLease(row sqlx.ColScanner) (l driver.Lease, err error) {
	var owner sql.NullString
	var until sql.NullInt64
	var updatedAt int64
	err = row.Scan(&l.Name, &l.Position, &l.Token, &owner, &until, &l.State, &updatedAt)
	l.Owner = owner.String
	if until.Valid {
		l.Until = time.UnixMicro(until.Int64).UTC()
	}
	l.UpdatedAt = time.UnixMicro(updatedAt).UTC()
	return l, err
}

func textOrNull(text []byte) any {
	if text == nil {
		return nil
	}
	return string(text)
}
