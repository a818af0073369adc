package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// ending is a session whose transaction ends before it can go back to a savepoint.
type ending struct{ session }

func (e ending) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if strings.HasPrefix(query, "ROLLBACK TO") {
		return nil, sql.ErrTxDone
	}
	return e.session.ExecContext(ctx, query, args...)
}

func placed(expected driver.ExpectedVersion) driver.Write {
	return driver.Write{Stream: driver.StreamID{Type: "order", ID: "1"}, Expected: expected, Events: []driver.Event{{ID: uuid.New(),
		Type: "placed", Schema: 1, ContentType: "application/json", Data: []byte(`{}`), RecordedAt: time.Unix(0, 0).UTC()}}}
}

// A retry fails its version check, and then the transaction ends before anybody has looked whether it is one. To answer with
// the conflict would be wrong: its events are stored.
func TestAConflictIsNoAnswerOnceTheTransactionIsLost(t *testing.T) {
	s, err := Open(t.Context(), ":memory:", nil)
	require.NoError(t, err)
	defer s.Close()
	stored := []driver.Write{placed(driver.NoStream)}
	_, err = s.Commit(t.Context(), stored)
	require.NoError(t, err)
	isConflict := func(err error) bool {
		var conflict *driver.ConflictError
		return errors.As(err, &conflict)
	}

	require.ErrorIs(t, sqltx.In(t.Context(), s.DB(), func(ctx context.Context) error {
		tx, _ := sqltx.From(ctx)
		_, err := s.commitInside(ctx, ending{tx}, stored)
		require.ErrorIs(t, err, sql.ErrTxDone)
		require.ErrorContains(t, err, `stream "order-1" is at version 1`)
		require.False(t, isConflict(err), err)
		stored[0].Expected = driver.Any // refused by its id, in a batch
		_, err = commitOne(ctx, ending{tx}, stored)
		require.ErrorIs(t, err, sql.ErrTxDone)
		require.False(t, concernsOne(err), "the whole batch is lost")
		return err
	}), sql.ErrTxDone)
}
