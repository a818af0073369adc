package sqlite

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var _ driver.KeyStore = (*Store)(nil)

// A key whose slot is missing comes out as an empty one, which is damaged. NULL would say that the subject is forgotten.
const keyColumns = `SELECT subject, revision, iif(slot IS NULL, NULL, coalesce(wrapped, x'')), updated_at
	FROM main.subject_keys LEFT JOIN main.wrapped_keys USING (slot) `

// LoadKeys implements driver.KeyStore.
func (s *Store) LoadKeys(ctx context.Context, subjects []string) ([]driver.Key, error) {
	array, err := jsonArray(subjects)
	if err != nil {
		return nil, s.file.wrap(ctx, "load keys", err)
	}
	return s.selectKeys(ctx, "load keys", keyColumns+`WHERE subject IN (SELECT value FROM json_each(?))`, array)
}

// ListKeys implements driver.KeyStore.
func (s *Store) ListKeys(ctx context.Context, after string, limit int) ([]driver.Key, error) {
	return s.selectKeys(ctx, "list keys", keyColumns+`WHERE subject > ? ORDER BY subject LIMIT ?`, after, limit)
}

func (s *Store) selectKeys(ctx context.Context, doing, query string, args ...any) (keys []driver.Key, err error) {
	err = s.read(ctx, func(from sqlx.QueryerContext) error {
		rows, err := from.QueryxContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k driver.Key
			var updatedAt int64
			if err := rows.Scan(&k.Subject, &k.Revision, &k.Wrapped, &updatedAt); err != nil {
				return err
			}
			k.UpdatedAt = time.UnixMicro(updatedAt).UTC()
			keys = append(keys, k)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, s.file.wrap(ctx, doing, err)
	}
	return keys, nil
}

// nextSlot is the one behind all others, so that nothing moves when it is filled.
const nextSlot = `(SELECT coalesce(max(slot), 0) + 1 FROM main.wrapped_keys)`

const (
	addSubject = `INSERT INTO main.subject_keys (subject, revision, slot, updated_at) VALUES (?1, 1, ` + nextSlot + `, ?2)
		ON CONFLICT DO NOTHING`
	fillSlot = `INSERT INTO main.wrapped_keys (slot, wrapped) SELECT slot, ?2 FROM main.subject_keys WHERE subject = ?1`
)

// AddKeys implements driver.KeyStore.
func (s *Store) AddKeys(ctx context.Context, keys []driver.Key) error {
	err := s.changeKeys(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		for _, k := range keys {
			added, err := changes(ctx, tx, addSubject, k.Subject, k.UpdatedAt.UnixMicro())
			if err == nil && added {
				_, err = changes(ctx, tx, fillSlot, k.Subject, k.Wrapped)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return s.file.wrap(ctx, "add keys", err)
}

const (
	slotOf       = `(SELECT slot FROM main.subject_keys WHERE subject = ?1)`
	overwriteKey = `UPDATE main.wrapped_keys SET wrapped = ?2 WHERE slot = ` + slotOf + ` AND length(wrapped) = length(?2)`
	destroyKey   = `UPDATE main.wrapped_keys SET wrapped = zeroblob(length(wrapped)) WHERE slot = ` + slotOf
	moveSubject  = `UPDATE main.subject_keys SET slot = ` + nextSlot + ` WHERE subject = ?1`
)

const replaceKey = `UPDATE main.subject_keys SET revision = ?2, updated_at = ?3
	WHERE subject = ?1 AND revision = ?2 - 1 AND slot IS NOT NULL`

// ReplaceKey implements driver.KeyStore. What it replaces is overwritten, as by ForgetKey.
func (s *Store) ReplaceKey(ctx context.Context, k driver.Key) (replaced bool, err error) {
	err = s.changeKeys(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		replaced, err = changes(ctx, tx, replaceKey, k.Subject, k.Revision, k.UpdatedAt.UnixMicro())
		if err != nil || !replaced {
			return err
		}
		return overwrite(ctx, tx, k)
	})
	return replaced && err == nil, s.file.wrap(ctx, "replace a key", err)
}

// overwrite stores a key where the subject's is, or in another slot if its length differs.
func overwrite(ctx context.Context, tx *sqlx.Tx, k driver.Key) error {
	if fits, err := changes(ctx, tx, overwriteKey, k.Subject, k.Wrapped); err != nil || fits {
		return err
	}
	if _, err := changes(ctx, tx, destroyKey, k.Subject); err != nil {
		return err
	}
	if _, err := changes(ctx, tx, moveSubject, k.Subject); err != nil {
		return err
	}
	_, err := changes(ctx, tx, fillSlot, k.Subject, k.Wrapped)
	return err
}

const (
	forgetKey   = `UPDATE main.subject_keys SET slot = NULL, updated_at = ?2 WHERE subject = ?1 AND slot IS NOT NULL`
	forgetNoKey = `INSERT INTO main.subject_keys (subject, revision, slot, updated_at) VALUES (?1, 1, NULL, ?2)
		ON CONFLICT DO NOTHING`
)

// ForgetKey implements driver.KeyStore. In the file the key is overwritten with zeros, and there is no copy of it. An older
// version of its page may stand in the write-ahead log until that is reset by a checkpoint.
func (s *Store) ForgetKey(ctx context.Context, subject string, at time.Time) (had bool, err error) {
	err = s.changeKeys(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if _, err := changes(ctx, tx, destroyKey, subject); err != nil {
			return err
		}
		had, err = changes(ctx, tx, forgetKey, subject, at.UnixMicro())
		if err == nil && !had {
			_, err = changes(ctx, tx, forgetNoKey, subject, at.UnixMicro())
		}
		return err
	})
	return had && err == nil, s.file.wrap(ctx, "forget a key", err)
}

// changeKeys runs f in a transaction, or in the caller's: wholly or not at all, so that a subject and its slot always fit.
func (s *Store) changeKeys(ctx context.Context, f func(ctx context.Context, tx *sqlx.Tx) error) error {
	return sqltx.In(ctx, s.writer.db, func(ctx context.Context) error {
		own := s.ownOf(ctx)
		own.mu.Lock()
		defer own.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		tx, _ := sqltx.From(ctx)
		ctx = context.WithoutCancel(ctx)
		if err := exec(ctx, tx, "SAVEPOINT tidemark"); err != nil {
			return err
		}
		if err := f(ctx, tx); err != nil {
			if undo := exec(ctx, tx, "ROLLBACK TO tidemark; RELEASE tidemark"); undo != nil {
				return lost(undo, err)
			}
			return err
		}
		return exec(ctx, tx, "RELEASE tidemark")
	})
}

// changes reports whether a statement has changed a row.
func changes(ctx context.Context, tx *sqlx.Tx, query string, args ...any) (bool, error) {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}
