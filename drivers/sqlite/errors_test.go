package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name string
		code sqlite3.ErrNo
		kind error
		says string
	}{
		{"busy", sqlite3.ErrBusy, driver.ErrRace, "try again"},
		{"locked", sqlite3.ErrLocked, driver.ErrRace, "try again"},
		{"a lost race for the shared memory", sqlite3.ErrProtocol, driver.ErrRace, "try again"},
		{"a file that can't be opened", sqlite3.ErrCantOpen, driver.ErrUnavailable, "can be opened and written"},
		{"an I/O error", sqlite3.ErrIoErr, driver.ErrUnavailable, "check the disk"},
		{"a full disk", sqlite3.ErrFull, driver.ErrUnavailable, "make room"},
		{"a machine without memory", sqlite3.ErrNomem, driver.ErrUnavailable, "no memory"},
		{"a read-only file", sqlite3.ErrReadonly, nil, "must be writable"},
		{"something that is no database", sqlite3.ErrNotADB, nil, "no SQLite database"},
		{"a damaged file", sqlite3.ErrCorrupt, nil, "restore it"},
		{"any other error", sqlite3.ErrError, nil, ""},
	} {
		t.Run("tells what to make of "+c.name, func(t *testing.T) {
			own := sqlite3.Error{Code: c.code}
			err := file("/data/events.db").wrap(t.Context(), "append", own)
			require.ErrorIs(t, err, own)
			require.ErrorContains(t, err, "sqlite: append (/data/events.db): ")
			require.ErrorContains(t, err, c.says)
			for _, kind := range []error{driver.ErrRace, driver.ErrUnavailable} {
				require.Equal(t, kind == c.kind, errors.Is(err, kind), kind)
			}
		})
	}
	t.Run("leaves alone what is explained already", func(t *testing.T) {
		err := &lockedError{time.Second, sqlite3.Error{Code: sqlite3.ErrBusy}}
		require.Same(t, err, classify(err))
		require.NotErrorIs(t, err, driver.ErrRace)
	})
}

func TestExplained(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{sqlite3.Error{Code: sqlite3.ErrInterrupt}, sql.ErrTxDone, sql.ErrConnDone, context.Canceled} {
		t.Run(fmt.Sprintf("gives the context's end as the reason for %q", err), func(t *testing.T) {
			require.ErrorIs(t, explained(ended, err), context.Canceled)
			require.ErrorIs(t, explained(ended, err), err)
		})
	}
	t.Run("gives the context's end as the reason for rows that it closed while they were read", func(t *testing.T) {
		s, err := Open(t.Context(), ":memory:", nil)
		require.NoError(t, err)
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		tx, err := s.DB().BeginTxx(ctx, nil)
		require.NoError(t, err)
		rows, err := tx.QueryContext(context.WithoutCancel(ctx), `SELECT 1`)
		require.NoError(t, err)
		defer rows.Close()
		require.True(t, rows.Next())
		cancel()
		for n := 0; err == nil; {
			err = rows.Scan(&n)
		}
		require.ErrorIs(t, explained(ctx, err), context.Canceled)
		require.ErrorIs(t, explained(t.Context(), err), sql.ErrTxDone)
	})
	t.Run("does not blame the context for other errors", func(t *testing.T) {
		require.NotErrorIs(t, explained(ended, sqlite3.Error{Code: sqlite3.ErrCorrupt}), context.Canceled)
	})
}
