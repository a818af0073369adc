package sqlite

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var _ driver.KeyStore = (*Store)(nil)

const keyColumns = `SELECT subject, revision, wrapped, updated_at FROM subject_keys `

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

// addKeys takes many rows as one array: one statement is one transaction.
const addKeys = `INSERT INTO subject_keys (subject, revision, wrapped, updated_at)
	SELECT value ->> 0, 1, unhex(value ->> 1), value ->> 2 FROM json_each(?) WHERE true
	ON CONFLICT DO NOTHING`

// AddKeys implements driver.KeyStore.
func (s *Store) AddKeys(ctx context.Context, keys []driver.Key) error {
	rows := make([][3]any, len(keys))
	for i, k := range keys {
		rows[i] = [3]any{k.Subject, hex.EncodeToString(k.Wrapped), k.UpdatedAt.UnixMicro()}
	}
	array, err := json.Marshal(rows)
	if err == nil {
		_, err = s.change(ctx, addKeys, string(array))
	}
	return s.file.wrap(ctx, "add keys", err)
}

const (
	replaceKey = `UPDATE subject_keys SET revision = ?2, wrapped = ?3, updated_at = ?4
		WHERE subject = ?1 AND revision = ?2 - 1 AND wrapped IS NOT NULL`
	forgetKey   = `UPDATE subject_keys SET wrapped = NULL, updated_at = ?2 WHERE subject = ?1 AND wrapped IS NOT NULL`
	forgetNoKey = `INSERT INTO subject_keys (subject, revision, wrapped, updated_at) VALUES (?1, 1, NULL, ?2)
		ON CONFLICT DO NOTHING`
)

// ReplaceKey implements driver.KeyStore.
func (s *Store) ReplaceKey(ctx context.Context, k driver.Key) (replaced bool, err error) {
	err = s.erasing(ctx, func(tx *sqlx.Tx) error {
		replaced, err = changes(ctx, tx, replaceKey, k.Subject, k.Revision, k.Wrapped, k.UpdatedAt.UnixMicro())
		return err
	})
	return replaced && err == nil, s.file.wrap(ctx, "replace a key", err)
}

// ForgetKey implements driver.KeyStore. In the file the key is overwritten with zeros. An older copy of its page may stand
// in the write-ahead log until that is reset by a checkpoint.
func (s *Store) ForgetKey(ctx context.Context, subject string, at time.Time) (had bool, err error) {
	err = s.erasing(ctx, func(tx *sqlx.Tx) error {
		had, err = changes(ctx, tx, forgetKey, subject, at.UnixMicro())
		if err == nil && !had {
			_, err = changes(ctx, tx, forgetNoKey, subject, at.UnixMicro())
		}
		return err
	})
	return had && err == nil, s.file.wrap(ctx, "forget a key", err)
}

// erasing runs f in a transaction in which what is deleted is overwritten, too.
func (s *Store) erasing(ctx context.Context, f func(tx *sqlx.Tx) error) error {
	return sqltx.In(ctx, s.writer.db, func(ctx context.Context) error {
		tx, _ := sqltx.From(ctx)
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `PRAGMA secure_delete = OFF`)
		return err
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
