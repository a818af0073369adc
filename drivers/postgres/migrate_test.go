package postgres_test

import (
	"strings"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func TestMigrate(t *testing.T) {
	t.Run("by ten processes that start at once", func(t *testing.T) {
		dsn := pgtest.DSN(t)
		together(10, func(int) {
			s, err := postgres.Open(t.Context(), dsn, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		commit(t, t.Context(), open(t, dsn, nil), appends(order("a"), driver.NoStream, 1))
	})
	t.Run("by hand, more than once, into a schema with an odd name", func(t *testing.T) {
		dsn, schema := pgtest.DSN(t), `Müller's \ "events" $$ cost`
		db := connect(t, dsn)
		for range 2 {
			_, err := db.ExecContext(t.Context(), postgres.Migrations(schema))
			require.NoError(t, err)
		}
		s := open(t, dsn, &postgres.Options{Schema: schema, NoMigrate: true})
		commit(t, t.Context(), s, appends(order("a"), driver.NoStream, 2))
		require.Len(t, readAll(t, t.Context(), s, 0).Records, 2)
		require.Contains(t, postgres.Migrations(""), `CREATE SCHEMA "tidemark"`)
	})
	t.Run("by hand is asked for when it was not done", func(t *testing.T) {
		_, err := postgres.Open(t.Context(), pgtest.DSN(t), &postgres.Options{NoMigrate: true})
		require.ErrorContains(t, err, `the tables in schema "tidemark" have version 0, this release needs version `)
		require.ErrorContains(t, err, "postgres.Migrations")
	})
	t.Run("on the caller's pool, when asked to", func(t *testing.T) {
		db := connect(t, pgtest.DSN(t))
		s, err := postgres.New(db, nil)
		require.NoError(t, err)
		require.NoError(t, s.Migrate(t.Context()))
		require.NoError(t, s.Migrate(t.Context()))
		commit(t, t.Context(), s, appends(order("a"), driver.NoStream, 1))
		require.NoError(t, s.Close())
		require.NoError(t, db.PingContext(t.Context()), "Close leaves the caller's pool open")
	})
	t.Run("refuses tables of a later release", func(t *testing.T) {
		dsn := pgtest.DSN(t)
		s := open(t, dsn, nil)
		s.DB().MustExec(`INSERT INTO tidemark.migrations (version, name) VALUES (99, 'from the future')`)
		for _, opts := range []*postgres.Options{nil, {NoMigrate: true}} {
			_, err := postgres.Open(t.Context(), dsn, opts)
			require.ErrorContains(t, err, "have version 99, written by a later release")
			require.ErrorContains(t, err, "this release knows versions up to ")
		}
	})
	t.Run("needs no rights where there is nothing to do", func(t *testing.T) {
		dsn := pgtest.DSN(t)
		role := asRole(t, open(t, dsn, nil), dsn)
		require.NoError(t, open(t, role, nil).Migrate(t.Context()))
	})
}

func TestASchemaThatIsThereNeedsNoRightToCreateOne(t *testing.T) {
	for name, migrate := range map[string]func(t *testing.T, dsn string){
		"by Open":     func(t *testing.T, dsn string) { open(t, dsn, nil) },
		"by a script": func(t *testing.T, dsn string) { connect(t, dsn).MustExec(postgres.Migrations("")) },
	} {
		t.Run(name, func(t *testing.T) {
			dsn := pgtest.DSN(t)
			owner := newRole(t, dsn)
			connect(t, dsn).MustExec(`CREATE SCHEMA tidemark AUTHORIZATION ` + owner)
			dsn = as(t, dsn, owner+":"+owner)
			migrate(t, dsn)
			commit(t, t.Context(), open(t, dsn, nil), appends(order("a"), driver.NoStream, 1))
		})
	}
}

func TestWhatWouldLoseEventsIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ spoil, says string }{
		"a sequence with a cache":       {`ALTER SEQUENCE tidemark.events_position_seq CACHE 20`, "CACHE 1"},
		"a sequence that counts by ten": {`ALTER SEQUENCE tidemark.events_position_seq INCREMENT 10`, "INCREMENT 1"},
		"a sequence that was set back":  {`SELECT setval('tidemark.events_position_seq', 1)`, "setval"},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := pgtest.DSN(t)
			s := open(t, dsn, nil)
			commit(t, t.Context(), s, appends(order("a"), driver.NoStream, 2))
			s.DB().MustExec(c.spoil)
			_, err := postgres.Open(t.Context(), dsn, nil)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestAServerThatTakesNullsForTextsIsRefused(t *testing.T) {
	dsn := pgtest.DSN(t)
	for range 2 { // without tables, and with them
		_, err := postgres.Open(t.Context(), with(dsn, "array_nulls", "off"), nil)
		require.ErrorContains(t, err, "array_nulls is off")
		open(t, dsn, nil)
	}
}

func TestEventsAreAppendOnly(t *testing.T) {
	s := fresh(t)
	commit(t, t.Context(), s, appends(order("a"), driver.NoStream, 2))
	for _, statement := range []string{
		`UPDATE tidemark.events SET version = 3 WHERE version = 2`,
		`DELETE FROM tidemark.events WHERE version = 2`,
		`DELETE FROM tidemark.events WHERE false`,
		`TRUNCATE tidemark.events`,
	} {
		_, err := s.DB().ExecContext(t.Context(), statement)
		var refused *pq.Error
		require.ErrorAs(t, err, &refused, statement)
		require.Equal(t, "23001", string(refused.Code), statement)
		require.Contains(t, refused.Message, "append-only")
	}
	require.Len(t, readStream(t, t.Context(), s, order("a")), 2)
}

// asRole makes a role with no more rights than the documentation grants, and returns a connection string for it.
func asRole(t *testing.T, s *postgres.Store, dsn string) string {
	t.Helper()
	role := newRoleName(t, dsn)
	s.DB().MustExec(strings.ReplaceAll(grants(t), "orders_service", role) + `; ALTER ROLE ` + role + ` PASSWORD '` + role + `'`)
	return as(t, dsn, role+":"+role)
}

// newRole makes a role without any rights. Its password is its name.
func newRole(t *testing.T, dsn string) string {
	t.Helper()
	role := newRoleName(t, dsn)
	connect(t, dsn).MustExec(`CREATE ROLE ` + role + ` LOGIN PASSWORD '` + role + `'`)
	return role
}

// newRoleName returns the name of a role that is dropped when the test has ended.
func newRoleName(t *testing.T, dsn string) string {
	t.Helper()
	role := "service_" + strings.ReplaceAll(newID().String(), "-", "")
	t.Cleanup(func() { _, _ = connect(t, dsn).Exec(`DROP OWNED BY ` + role + `; DROP ROLE ` + role) })
	return role
}

func TestARoleWithTheDocumentedGrants(t *testing.T) {
	dsn := pgtest.DSN(t)
	s := open(t, asRole(t, open(t, dsn, nil), dsn), nil)
	w := appends(order("a"), driver.NoStream, 2)
	commit(t, t.Context(), s, w)
	commit(t, t.Context(), s, appends(order("b"), driver.NoStream, 1), driver.Write{Stream: order("a"), Expected: 2})
	_, err := s.Commit(t.Context(), []driver.Write{w})
	var duplicate *driver.DuplicateError
	require.ErrorAs(t, err, &duplicate)
	contended := appends(order("a"), driver.Any, 1)
	contended.Contended = true
	commit(t, t.Context(), s, contended)
	tx := begin(t, s)
	tx.commit(s, appends(order("a"), driver.Any, 1))
	tx.commits()
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 5)
	require.NoError(t, s.SaveSnapshot(t.Context(), driver.Snapshot{Stream: order("a"), Version: 1, Type: "x", Schema: 1, ContentType: "x"}))
	require.NoError(t, s.SaveCheckpoint(t.Context(), "p", 0, 1, event("").RecordedAt))
	require.NoError(t, s.SaveCheckpoint(t.Context(), "p", 1, 2, event("").RecordedAt))
	for _, statement := range []string{`UPDATE tidemark.events SET version = 3`, `DELETE FROM tidemark.events`, `TRUNCATE tidemark.events`,
		`ALTER TABLE tidemark.events DISABLE TRIGGER ALL`} {
		_, err := s.DB().ExecContext(t.Context(), statement)
		var refused *pq.Error
		require.ErrorAs(t, err, &refused, statement)
		require.Equal(t, "42501", string(refused.Code), "insufficient_privilege: %s", statement)
	}
}
