package postgres

import (
	"context"
	"database/sql"
	"encoding/hex"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var _ driver.KeyStore = (*Store)(nil)

// Who adds or forgets the key of a subject that another transaction is just adding waits for that one's end: then it is
// there or it isn't.
const (
	loadKeys = `SELECT subject, revision, wrapped, updated_at FROM {schema}.subject_keys WHERE subject = ANY ($1::text[])`

	listKeys = `SELECT subject, revision, wrapped, updated_at FROM {schema}.subject_keys
WHERE subject > $1::text COLLATE "C" ORDER BY subject LIMIT $2::bigint`

	addKeys = `INSERT INTO {schema}.subject_keys (subject, revision, wrapped, updated_at)
SELECT k.subject, 1, decode(k.wrapped, 'hex'), k.updated_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS k (subject, wrapped, updated_at)
ON CONFLICT (subject) DO NOTHING`

	replaceKey = `UPDATE {schema}.subject_keys
SET revision = $2::bigint, wrapped = decode($3::text, 'hex'), updated_at = $4::timestamptz
WHERE subject = $1::text AND revision = $2::bigint - 1 AND wrapped IS NOT NULL
RETURNING revision`

	forgetKey = `UPDATE {schema}.subject_keys SET wrapped = NULL, updated_at = $2::timestamptz
WHERE subject = $1::text AND wrapped IS NOT NULL
RETURNING revision`

	forgetNoKey = `INSERT INTO {schema}.subject_keys (subject, revision, wrapped, updated_at)
VALUES ($1::text, 1, NULL, $2::timestamptz)
ON CONFLICT (subject) DO NOTHING
RETURNING revision`
)

// keyStatements are the statements of a key store, with the schema filled in.
type keyStatements struct {
	load, list, add, replace, forget, forgetNone *statement
}

func newKeyStatements(fill func(text string) *statement) keyStatements {
	return keyStatements{load: fill(loadKeys), list: fill(listKeys), add: fill(addKeys), replace: fill(replaceKey),
		forget: fill(forgetKey), forgetNone: fill(forgetNoKey)}
}

// LoadKeys implements driver.KeyStore.
func (s *Store) LoadKeys(ctx context.Context, subjects []string) ([]driver.Key, error) {
	keys, err := s.selectKeys(ctx, s.sql.keys.load, texts(subjects))
	return keys, failed(ctx, "load keys", err)
}

// ListKeys implements driver.KeyStore.
func (s *Store) ListKeys(ctx context.Context, after string, limit int) ([]driver.Key, error) {
	keys, err := s.selectKeys(ctx, s.sql.keys.list, after, limit)
	return keys, failed(ctx, "list keys", err)
}

func (s *Store) selectKeys(ctx context.Context, st *statement, args ...any) ([]driver.Key, error) {
	return with(ctx, s, func(c conn) (keys []driver.Key, err error) {
		err = c.each(ctx, st, func(rows *sql.Rows) error {
			var k driver.Key
			err := rows.Scan(&k.Subject, &k.Revision, &k.Wrapped, &k.UpdatedAt)
			k.UpdatedAt = k.UpdatedAt.UTC()
			keys = append(keys, k)
			return err
		}, args...)
		return keys, err
	})
}

// AddKeys implements driver.KeyStore.
func (s *Store) AddKeys(ctx context.Context, keys []driver.Key) error {
	var subjects, wrapped, times array
	for _, k := range keys {
		subjects.text(k.Subject)
		wrapped.plain(hex.EncodeToString(k.Wrapped))
		times.text(timestamp(k.UpdatedAt))
	}
	_, err := s.changeKeys(ctx, func(c conn) (bool, error) {
		return c.row(ctx, s.sql.keys.add, nil, subjects.String(), wrapped.String(), times.String())
	})
	return failed(ctx, "add keys", err)
}

// ReplaceKey implements driver.KeyStore.
func (s *Store) ReplaceKey(ctx context.Context, k driver.Key) (bool, error) {
	replaced, err := s.changeKeys(ctx, func(c conn) (bool, error) {
		var revision int64
		return c.row(ctx, s.sql.keys.replace, []any{&revision}, k.Subject, k.Revision, hex.EncodeToString(k.Wrapped),
			timestamp(k.UpdatedAt))
	})
	return replaced, failed(ctx, "replace a key", err)
}

// ForgetKey implements driver.KeyStore. The row's earlier version stays in the table's file until it is vacuumed.
func (s *Store) ForgetKey(ctx context.Context, subject string, at time.Time) (bool, error) {
	had, err := s.changeKeys(ctx, func(c conn) (bool, error) {
		var revision int64
		into := []any{&revision}
		had, err := c.row(ctx, s.sql.keys.forget, into, subject, timestamp(at))
		if err != nil || had {
			return had, err
		}
		if noted, err := c.row(ctx, s.sql.keys.forgetNone, into, subject, timestamp(at)); err != nil || noted {
			return false, err
		}
		// It is forgotten already, or was added in between.
		return c.row(ctx, s.sql.keys.forget, into, subject, timestamp(at))
	})
	return had, failed(ctx, "forget a key", err)
}

// changeKeys runs f so that the caller's transaction, if there is one, stays usable when it fails.
func (s *Store) changeKeys(ctx context.Context, f func(c conn) (bool, error)) (bool, error) {
	return with(ctx, s, func(c conn) (done bool, err error) {
		if c.tx == nil {
			return f(c)
		}
		err = c.savepoint(ctx, func() error {
			done, err = f(c)
			return err
		})
		return done, err
	})
}
