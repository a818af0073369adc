package sqlite_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

var noon = time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)

func acquire(ctx context.Context, s *sqlite.Store, name, owner string, now time.Time) (driver.Lease, error) {
	return s.Acquire(ctx, name, owner, now, now.Add(time.Minute))
}

func mustAcquire(t *testing.T, s *sqlite.Store, name, owner string, now time.Time) driver.Lease {
	t.Helper()
	lease, err := acquire(t.Context(), s, name, owner, now)
	require.NoError(t, err)
	return lease
}

// SQLite locks the whole file, so nobody can see whose lease a transaction is about before it ends.
func TestAcquireWaitsForTheWriter(t *testing.T) {
	impatient := &sqlite.Options{BusyTimeout: 50 * time.Millisecond}
	t.Run("of this process, for as long as every write", func(t *testing.T) {
		each(t, impatient, func(t *testing.T, s *sqlite.Store) {
			require.NoError(t, in(t.Context(), s, func(context.Context) error {
				_, err := acquire(t.Context(), s, "p", "two", noon)
				require.ErrorContains(t, err, "the writer connection has been held by another transaction for 50ms")
				return nil
			}))
			mustAcquire(t, s, "p", "two", noon)
		})
	})
	t.Run("of another process, for as long as every write", func(t *testing.T) {
		path := inFile(t)
		s, other := open(t, path, impatient), open(t, path, nil)
		require.NoError(t, in(t.Context(), other, func(context.Context) error {
			_, err := acquire(t.Context(), s, "p", "two", noon)
			require.ErrorIs(t, err, driver.ErrUnavailable)
			require.ErrorContains(t, err, "another connection or process has held the write lock for 50ms")
			return nil
		}))
		mustAcquire(t, s, "p", "two", noon)
	})
	t.Run("and ends with its context", func(t *testing.T) {
		each(t, nil, func(t *testing.T, s *sqlite.Store) {
			require.NoError(t, in(t.Context(), s, func(context.Context) error {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				_, err := acquire(ctx, s, "p", "two", noon)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				return nil
			}))
		})
	})
}

func TestLeasesOfADatabaseInUTF16(t *testing.T) {
	path := inFile(t)
	db := sqlx.MustOpen("sqlite3", path)
	db.MustExec(`PRAGMA encoding = 'UTF-16le'; CREATE TABLE mine (n int)`)
	require.NoError(t, db.Close())
	s := open(t, path, nil)
	names := []string{"a", "b", "é", "日", "\uffff", "😀"}
	for _, name := range names {
		lease := mustAcquire(t, s, name, "owner "+name, noon)
		lease.State = []byte(`"` + name + `"`)
		require.NoError(t, s.SaveLease(t.Context(), lease, 0, noon))
	}
	list, err := s.Leases(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, list, len(names))
	for i, l := range list {
		require.Equal(t, []string{names[i], "owner " + names[i], `"` + names[i] + `"`}, []string{l.Name, l.Owner, string(l.State)})
	}
	list, err = s.Leases(t.Context(), "😀")
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func TestALeaseCommitsWithTheCallersOwnSQL(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		s.DB().MustExec(`CREATE TABLE totals (n INTEGER)`)
		lease := mustAcquire(t, s, "p", "one", noon)
		lease.Position = 7
		note := driver.DeadLetter{Projection: "p", Position: 3, Stream: order("a"), Version: 1, Type: "x", FirstAt: noon, LastAt: noon}
		work := func(how error) error {
			return in(t.Context(), s, func(ctx context.Context) error {
				tx, _ := sqltx.From(ctx)
				tx.MustExec(`INSERT INTO totals VALUES (7)`)
				commit(t, ctx, s, appends(order("a"), driver.Any, 1))
				require.NoError(t, s.SaveDeadLetter(ctx, note))
				require.NoError(t, s.SaveLease(ctx, lease, 0, noon))
				return how
			})
		}
		state := func() []int {
			position, err := s.LoadCheckpoint(t.Context(), "p")
			require.NoError(t, err)
			notes, err := s.DeadLetters(t.Context(), "p", 0, 10)
			require.NoError(t, err)
			var rows int
			require.NoError(t, s.DB().Get(&rows, `SELECT count(*) FROM totals`))
			return []int{int(position), len(notes), len(readStream(t, t.Context(), s, order("a"))), rows}
		}
		stop := errors.New("stop")
		require.ErrorIs(t, work(stop), stop)
		require.Equal(t, []int{0, 0, 0, 0}, state())
		require.NoError(t, work(nil))
		require.Equal(t, []int{7, 1, 1, 1}, state())
	})
}
