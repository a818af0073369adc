//go:build linux

package postgres

import (
	"database/sql"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/serializer"
)

type shipped struct{ To string }

// openImpatient opens a store that finds out within half a second that the network loses everything.
func openImpatient(t *testing.T, dsn string) *eventstore.Store {
	t.Helper()
	options, err := (&Options{}).withDefaults()
	require.NoError(t, err)
	config, err := parse(dsn)
	require.NoError(t, err)
	config.ConnectTimeout = 2 * time.Second
	const ack = 500 * time.Millisecond
	db := sqlx.NewDb(sql.OpenDB(&lines{config: config, ack: ack, all: make(map[*line]bool)}), "postgres")
	drv := newStore(db, options)
	drv.ownsDB = true
	require.NoError(t, drv.Migrate(t.Context()))
	reg := serializer.NewRegistry(nil)
	serializer.Register[shipped](reg, "order.shipped")
	store, err := eventstore.New(drv, reg, &eventstore.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// Nobody has set a deadline, and the other side is gone without a word: not even packets are acknowledged.
func TestALostNetworkEndsCallsWithoutADeadlineAndReadersGoOnWhenItIsBack(t *testing.T) {
	t.Parallel()
	p := fault.Start(t, pgtest.DSN(t))
	store := openImpatient(t, p.DSN())
	stream := driver.StreamID{Type: "order", ID: "1"}
	event := eventstore.NewEvent{ID: uuid.Must(uuid.NewV7()), Payload: shipped{"Ada"}}
	try := func() error {
		_, err := store.Append(t.Context(), stream, eventstore.Any, event)
		return err
	}
	require.NoError(t, try())

	last, seen := int64(0), make(chan int64)
	lost := make(chan error)
	read := func() error {
		for e, err := range store.Subscribe(t.Context(), last, nil) {
			if err != nil {
				return err
			}
			last = e.Position
			seen <- last
		}
		return nil
	}
	go func() { lost <- read() }()
	require.Equal(t, int64(1), <-seen)
	p.Lose()
	event.ID = uuid.Must(uuid.NewV7())
	for _, err := range []error{try(), <-lost} {
		require.ErrorIs(t, err, driver.ErrUnavailable)
		require.True(t, eventstore.Retryable(err))
	}
	p.Heal()
	go func() { lost <- read() }()
	require.Eventually(t, func() bool { return try() == nil }, 30*time.Second, time.Millisecond)
	require.Greater(t, <-seen, int64(1))
}
