package postgres

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

var errUnsent = errors.New("never sent")

// unsent makes connections that keep the commands to themselves that begin with any of its words.
type unsent struct {
	*pq.Connector
	words []string
}

// Connect implements the connector of database/sql.
func (u *unsent) Connect(ctx context.Context) (sqldriver.Conn, error) {
	c, err := u.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &unsentConn{c.(pqConn), u}, nil
}

type unsentConn struct {
	pqConn
	unsent *unsent
}

// ExecContext implements the driver.ExecerContext of database/sql.
func (c *unsentConn) ExecContext(ctx context.Context, query string, args []sqldriver.NamedValue) (sqldriver.Result, error) {
	for _, word := range c.unsent.words {
		if strings.HasPrefix(query, word) {
			return nil, errUnsent
		}
	}
	return c.pqConn.ExecContext(ctx, query, args)
}

// What the end of a savepoint comes to when the connection is there and a command does not reach it.
func TestAnAppendThatFailsAtItsSavepointIsNotCommitted(t *testing.T) {
	for _, test := range []struct {
		unsent []string
		usable bool
	}{
		{unsent: []string{"RELEASE"}, usable: true},
		{unsent: []string{"RELEASE", "ROLLBACK TO"}},
	} {
		t.Run(fmt.Sprint(test.unsent), func(t *testing.T) {
			connector, err := pq.NewConnector(pgtest.DSN(t))
			require.NoError(t, err)
			commands := &unsent{Connector: connector}
			db := sqlx.NewDb(sql.OpenDB(commands), "postgres")
			defer db.Close()
			s, err := New(db, nil)
			require.NoError(t, err)
			defer s.Close()
			require.NoError(t, s.Migrate(t.Context()))

			var first, second error
			ended := sqltx.In(t.Context(), db, func(ctx context.Context) error {
				commands.words = test.unsent
				_, first = s.Commit(ctx, []driver.Write{some("a", driver.Any, 1)})
				commands.words = nil
				_, second = s.Commit(ctx, []driver.Write{some("b", driver.Any, 1)})
				return nil
			})
			require.ErrorIs(t, first, errUnsent)
			page, err := s.ReadAll(t.Context(), driver.AllQuery{Limit: 10, MaxBytes: 1 << 20})
			require.NoError(t, err)
			if test.usable {
				require.NoError(t, errors.Join(second, ended))
				require.Len(t, page.Records, 1)
				require.Equal(t, "b", page.Records[0].Stream.ID)
				return
			}
			require.ErrorContains(t, second, "the transaction is lost")
			require.ErrorIs(t, ended, sql.ErrTxDone)
			require.Empty(t, page.Records)
		})
	}
}

// The server falls silent when an append is done, and the append's context ends, but not that of its transaction.
func TestASilentServerKeepsNoCallAtItsSavepoint(t *testing.T) {
	t.Parallel()
	p := fault.Start(t, pgtest.DSN(t))
	s, err := Open(t.Context(), p.DSN(), nil)
	require.NoError(t, err)
	defer s.Close()
	require.ErrorContains(t, sqltx.In(t.Context(), s.db, func(ctx context.Context) error {
		_, err := with(ctx, s, func(c conn) (struct{}, error) {
			short, cancel := context.WithCancel(ctx)
			return struct{}{}, c.savepoint(short, func() error {
				p.Silence()
				cancel()
				return nil
			})
		})
		return err
	}), "the transaction is lost")
}
