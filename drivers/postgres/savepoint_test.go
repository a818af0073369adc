package postgres_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// afterInsert calls a function once when the server has answered an INSERT.
type afterInsert struct{ do atomic.Pointer[func()] }

type insertKey struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (*afterInsert) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, insertKey{}, strings.Contains(q.SQL, "INSERT INTO"))
}

// TraceQueryEnd implements pgx.QueryTracer.
func (a *afterInsert) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if ctx.Value(insertKey{}) != true {
		return
	}
	if do := a.do.Swap(nil); do != nil {
		(*do)()
	}
}

// The context of a call is shorter than that of the transaction, and ends when the call is all but done. Whether the call
// then fails or not, what it says is what the transaction commits.
func TestACallWhoseContextEndsBeforeItsSavepointIsReleasedSaysWhatIsCommitted(t *testing.T) {
	tracer := new(afterInsert)
	config, err := pgx.ParseConfig(pgtest.DSN(t))
	require.NoError(t, err)
	config.Tracer = tracer
	db := sqlx.NewDb(stdlib.OpenDB(*config), "pgx")
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, err := postgres.New(db, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Migrate(t.Context()))

	now := event("").RecordedAt
	for table, call := range map[string]func(ctx context.Context) error{
		"events": func(ctx context.Context) error {
			_, err := s.Commit(ctx, []driver.Write{appends(order("a"), driver.Any, 2)})
			return err
		},
		"snapshots": func(ctx context.Context) error {
			return s.SaveSnapshot(ctx, driver.Snapshot{Stream: order("a"), Version: 1, Type: "order", Schema: 1,
				ContentType: "application/json", Data: []byte(`{}`), RecordedAt: now})
		},
		"subscription_checkpoints": func(ctx context.Context) error {
			_, err := s.Acquire(ctx, "projection", "owner", now, now.Add(time.Hour))
			return err
		},
		"subject_keys": func(ctx context.Context) error {
			return s.AddKeys(ctx, []driver.Key{{Subject: "ada", Wrapped: []byte("key"), UpdatedAt: now}})
		},
	} {
		t.Run(table, func(t *testing.T) {
			var result error
			require.NoError(t, sqltx.In(t.Context(), db, func(ctx context.Context) error {
				short, cancel := context.WithCancel(ctx)
				defer cancel()
				end := func() { cancel() }
				tracer.do.Store(&end)
				result = call(short)
				require.ErrorIs(t, short.Err(), context.Canceled, "it has ended in the midst of the call")
				commit(t, ctx, s, appends(order("after "+table), driver.NoStream, 1))
				return nil
			}))
			stored := get[bool](t, db, `SELECT count(*) > 0 FROM tidemark.`+table+` t WHERE t::text NOT LIKE '%after %'`)
			require.Equal(t, result == nil, stored, "stored, after: %v", result)
			require.Len(t, readStream(t, t.Context(), s, order("after "+table)), 1, "the transaction stays usable")
		})
	}
}
