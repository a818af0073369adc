package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/serializer"
)

// eachClient runs a test with either driver of database/sql, behind a proxy of its own.
func eachClient(t *testing.T, test func(t *testing.T, p *fault.Proxy, s *postgres.Store)) {
	t.Parallel()
	t.Run("lib pq", func(t *testing.T) {
		t.Parallel()
		p := fault.Start(t, pgtest.DSN(t))
		test(t, p, open(t, through(p), nil))
	})
	t.Run("pgx", func(t *testing.T) {
		t.Parallel()
		p := fault.Start(t, pgtest.DSN(t))
		s, done, err := newPGX(t.Context(), through(p), &postgres.Options{ListenDSN: through(p)})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, done()) })
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		test(t, p, s.(*postgres.Store))
	})
}

// through returns the URL of a proxy with a limit to the time for making a connection: database/sql makes those that others
// wait for one after the other, so one that does not come about holds up all.
func through(p *fault.Proxy) string { return with(p.DSN(), "connect_timeout", "2") }

type noted struct{ Text string }

// portable returns the portable store on s.
func portable(t *testing.T, s *postgres.Store) *eventstore.Store {
	t.Helper()
	reg := serializer.NewRegistry(nil)
	serializer.Register[noted](reg, "order.noted")
	store, err := eventstore.New(s, reg, nil)
	require.NoError(t, err)
	return store
}

// note returns an event with an id, so that it can be appended again.
func note(text string) eventstore.NewEvent {
	return eventstore.NewEvent{ID: newID(), Payload: noted{text}}
}

// insist calls f again as long as that may help.
func insist(f func() error) error {
	for {
		if err := f(); err == nil || !eventstore.Retryable(err) {
			return err
		}
	}
}

// requireRetryable wants an error that says that the same call may succeed if it is made again.
func requireRetryable(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Truef(t, eventstore.Retryable(err), "%T: %v", err, err)
}

// happens waits for what a proxy is to do.
func happens(t *testing.T, it <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-it:
	case <-time.After(patience):
		require.Fail(t, "it has not happened", what)
	}
}
