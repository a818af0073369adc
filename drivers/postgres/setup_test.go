package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

const payload = `{"order_id":"o-1234567","customer":"c-998877","lines":[{"sku":"ABC-1","quantity":3,"price":1299}],"total":3897}`

// patience is for what must happen in the end. Nothing that passes waits for it.
const patience = 30 * time.Second

func open(t testing.TB, dsn string, opts *postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// fresh opens a store on a database of its own.
func fresh(t testing.TB) *postgres.Store {
	t.Helper()
	return open(t, pgtest.DSN(t), nil)
}

func connect(t testing.TB, dsn string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Open("postgres", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func order(id string) driver.StreamID { return driver.StreamID{Type: "order", ID: id} }

func event(data string) driver.Event {
	return driver.Event{
		ID: newID(), Type: "order.placed", Schema: 1, ContentType: "application/json",
		Data: []byte(data), Metadata: []byte(`{"correlation_id":"abc"}`),
		RecordedAt: time.Date(2025, 3, 4, 5, 6, 7, 8000, time.UTC),
	}
}

// appends returns a write of n events.
func appends(stream driver.StreamID, expected driver.ExpectedVersion, n int) driver.Write {
	w := driver.Write{Stream: stream, Expected: expected, Events: make([]driver.Event, n)}
	for i := range w.Events {
		w.Events[i] = event(payload)
	}
	return w
}

func commit(t testing.TB, ctx context.Context, s *postgres.Store, writes ...driver.Write) []driver.Receipt {
	t.Helper()
	receipts, err := commitHeld(ctx, s, writes...)
	require.NoError(t, err)
	return receipts
}

// commitHeld makes a commit again that has waited too long for a lock: on a busy machine it may be one of the server's own, as for
// making a table longer.
func commitHeld(ctx context.Context, s *postgres.Store, writes ...driver.Write) ([]driver.Receipt, error) {
	for {
		if receipts, err := s.Commit(ctx, writes); !errors.Is(err, driver.ErrHeld) {
			return receipts, err
		}
	}
}

// commitAgain makes a commit that lost a race again, some times, as the portable store does.
func commitAgain(ctx context.Context, s *postgres.Store, writes ...driver.Write) ([]driver.Receipt, error) {
	for try := 0; ; try++ {
		receipts, err := s.Commit(ctx, writes)
		if !errors.Is(err, driver.ErrRace) || try == 20 {
			return receipts, err
		}
		for i := range writes {
			writes[i].Contended, writes[i].Held = true, true
		}
	}
}

func readAll(t testing.TB, ctx context.Context, s *postgres.Store, after int64) driver.Page {
	t.Helper()
	page, err := s.ReadAll(ctx, driver.AllQuery{After: after, Limit: 1 << 20, MaxBytes: 1 << 30})
	require.NoError(t, err)
	return page
}

func readStream(t testing.TB, ctx context.Context, s *postgres.Store, stream driver.StreamID) []driver.Record {
	t.Helper()
	records, err := s.ReadStream(ctx, driver.StreamQuery{Stream: stream, From: 1, Limit: 1 << 20, MaxBytes: 1 << 30})
	require.NoError(t, err)
	return records
}

// eventually waits until f holds.
func eventually(t testing.TB, f func() bool, what string) {
	t.Helper()
	require.Eventually(t, f, patience, time.Millisecond, what)
}

// get returns a query's only value.
func get[T any](t testing.TB, q sqlx.QueryerContext, query string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, q.QueryRowxContext(t.Context(), query, args...).Scan(&value))
	return value
}

var errRollback = errors.New("rolled back by the test")

// held is a transaction that a test holds open between its steps.
type held struct {
	t     testing.TB
	ctx   context.Context
	tx    *sqlx.Tx
	steps chan func()
	end   chan error // takes how it is to end, and then says how it did
}

func begin(t testing.TB, s *postgres.Store) *held {
	t.Helper()
	h := &held{t: t, steps: make(chan func()), end: make(chan error)}
	began := make(chan struct{})
	go func() {
		h.end <- s.Transact(t.Context(), func(ctx context.Context) error {
			h.ctx = ctx
			h.tx, _ = sqltx.From(ctx)
			close(began)
			for {
				select {
				case step := <-h.steps:
					step()
				case how := <-h.end:
					return how
				}
			}
		})
	}()
	select {
	case <-began:
	case err := <-h.end:
		require.NoError(t, err, "begin")
	}
	return h
}

// do runs f in the transaction.
func (h *held) do(f func(ctx context.Context)) {
	done := make(chan struct{})
	h.steps <- func() {
		defer close(done)
		f(h.ctx)
	}
	<-done
}

func (h *held) exec(statement string) {
	h.t.Helper()
	var err error
	h.do(func(ctx context.Context) { _, err = h.tx.ExecContext(ctx, statement) })
	require.NoError(h.t, err)
}

func (h *held) commit(s *postgres.Store, w driver.Write) driver.Receipt {
	h.t.Helper()
	var receipts []driver.Receipt
	var err error
	h.do(func(ctx context.Context) { receipts, err = s.Commit(ctx, []driver.Write{w}) })
	require.NoError(h.t, err)
	return receipts[0]
}

func (h *held) commits() {
	h.t.Helper()
	h.end <- nil
	require.NoError(h.t, <-h.end)
}

func (h *held) rollsBack() {
	h.t.Helper()
	h.end <- errRollback
	require.ErrorIs(h.t, <-h.end, errRollback)
}

// dsnOf returns a connection string for the store's database.
func dsnOf(t testing.TB, s *postgres.Store) string {
	t.Helper()
	name := get[string](t, s.DB(), `SELECT current_database()`)
	u, err := url.Parse(pgtest.DSN(t))
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

// grants returns the recipe of the documentation, which makes a role named orders_service.
func grants(t testing.TB) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/postgres.md")
	require.NoError(t, err)
	_, recipe, found := strings.Cut(string(page), "CREATE ROLE orders_service")
	require.True(t, found, "the recipe in docs/postgres.md")
	recipe, _, _ = strings.Cut(recipe, "```")
	return "CREATE ROLE orders_service" + recipe
}

// as returns a connection string for another role, which may have a password: "name:password".
func as(t testing.TB, dsn, role string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	name, password, _ := strings.Cut(role, ":")
	u.User = url.UserPassword(name, password)
	return u.String()
}
