package postgres_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// listenSilently takes connections and never says a word. It counts them.
func listenSilently(t *testing.T, connections *atomic.Int32) (dsn string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return "postgres://tidemark@" + l.Addr().String() + "/events?sslmode=disable"
}

func TestNoErrorShowsThePassword(t *testing.T) {
	const secret = "pa55w0rd"
	for name, dsn := range map[string]string{
		"a URL that is none":                "postgres://user:" + secret + "@host:port/db",
		"a password with a slash":           "postgres://user:" + secret + "/x@127.0.0.1:1/db",
		"a password with an escape":         "postgres://user:%zz" + secret + "@127.0.0.1:1/db",
		"pairs that are none":               "host=127.0.0.1 password='" + secret,
		"a value without a key":             "host=127.0.0.1 password=" + secret + " " + secret,
		"a value that is not known":         "postgres://user:" + secret + "@127.0.0.1:1/db?sslmode=" + secret,
		"a server that is not there":        "postgres://user:" + secret + "@127.0.0.1:1/db?sslmode=disable",
		"a server that is not there, pairs": "host=127.0.0.1 port=1 user=user password=" + secret + " sslmode=disable",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.Open(t.Context(), dsn, nil)
			require.Error(t, err)
			for ; err != nil; err = errors.Unwrap(err) {
				require.NotContains(t, err.Error(), secret)
			}
			s, err := postgres.New(connect(t, "postgres://127.0.0.1:1/db"), &postgres.Options{ListenDSN: dsn})
			require.NoError(t, err)
			err = s.Watch(t.Context(), func() {})
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
			require.NoError(t, s.Close())
		})
	}
	t.Run("a role that is not there", func(t *testing.T) {
		dsn := pgtest.DSN(t)
		_, err := postgres.Open(t.Context(), as(t, dsn, "nobody:"+secret), nil)
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
	})
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	_, err := postgres.Open(t.Context(), "postgres://user@127.0.0.1:1/db?sslmode=disable", nil)
	require.ErrorIs(t, err, driver.ErrUnavailable)
	var network *net.OpError
	require.ErrorAs(t, err, &network)
}

func TestErrorsSayWhatWasDone(t *testing.T) {
	s := fresh(t)
	s.DB().MustExec(`DROP SCHEMA tidemark CASCADE`)
	ctx := t.Context()
	_, err := s.Commit(ctx, []driver.Write{appends(order("42"), driver.Any, 1)})
	require.ErrorContains(t, err, "postgres: append to order-42: ")
	_, err = s.Commit(ctx, []driver.Write{appends(order("1"), driver.Any, 1), appends(order("2"), driver.Any, 1),
		appends(order("3"), driver.Any, 1), appends(order("4"), driver.Any, 1), appends(order("5"), driver.Any, 1)})
	require.ErrorContains(t, err, "append to order-1, order-2, order-3 and 2 others: ")
	_, err = s.ReadStream(ctx, driver.StreamQuery{Stream: order("42"), From: 1, Limit: 1, MaxBytes: 1})
	require.ErrorContains(t, err, "postgres: read stream order-42: ")
	_, err = s.ReadAll(ctx, driver.AllQuery{Limit: 1, MaxBytes: 1})
	require.ErrorContains(t, err, "postgres: read the log: ")
	_, err = s.LoadCheckpoint(ctx, "totals")
	require.ErrorContains(t, err, "postgres: load the checkpoint of totals: ")
	_, _, err = s.LoadSnapshot(ctx, order("42"))
	require.ErrorContains(t, err, "postgres: load the snapshot of stream order-42: ")
	var coded interface{ SQLState() string }
	require.ErrorAs(t, err, &coded)
	require.Equal(t, "42P01", coded.SQLState())
}

func TestACommitThatWaitsEndsWithItsContext(t *testing.T) {
	s := fresh(t)
	tx := begin(t, s)
	tx.commit(s, appends(order("a"), driver.NoStream, 1))
	for name, ctx := range map[string]func() (context.Context, context.CancelFunc){
		"cancelled": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		},
		"timed out": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 20*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := ctx()
			defer cancel()
			_, err := s.Commit(ctx, []driver.Write{appends(order("a"), driver.NoStream, 1)})
			require.ErrorIs(t, err, ctx.Err())
			require.NotErrorIs(t, err, driver.ErrUnavailable)
		})
	}
	tx.commits()
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 1)
}
