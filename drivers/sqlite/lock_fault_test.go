package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// holdLock takes the write lock as another program may, says so, and keeps it until it is killed.
func holdLock(settings, begin string) func(ctx context.Context, path string) error {
	return func(ctx context.Context, path string) error {
		db, err := sqlx.Open("sqlite3", path)
		if err != nil {
			return err
		}
		c, err := db.Connx(ctx)
		if err != nil {
			return err
		}
		for _, statement := range []string{settings, begin, "CREATE TABLE IF NOT EXISTS other (n int)"} {
			if _, err := c.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		fmt.Println("held")
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	}
}

// lockedBy starts a process that holds a lock until release is called, which kills it.
func lockedBy(t *testing.T, name, path string) (release func()) {
	t.Helper()
	cmd := inProcess(t, name, path)
	_, err := cmd.StdinPipe() // which stays open as long as the test
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	return func() {
		require.NoError(t, cmd.Process.Kill())
		var killed *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &killed)
	}
}

func TestAFileThatAnotherProgramHasLocked(t *testing.T) {
	t.Parallel()
	path := inFile(t)
	s := open(t, path, &sqlite.Options{BusyTimeout: 50 * time.Millisecond})
	commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
	release := lockedBy(t, "lock", path)
	w := appends(order("1"), 1, 2)
	for name, call := range map[string]func(ctx context.Context) error{
		"an append":     func(ctx context.Context) error { return commitOnce(ctx, s, w) },
		"many events":   func(ctx context.Context) error { return commitOnce(ctx, s, appends(order("2"), driver.Any, 10)) },
		"a transaction": func(ctx context.Context) error { return in(ctx, s, func(context.Context) error { return nil }) },
		"a checkpoint":  func(ctx context.Context) error { return s.SaveCheckpoint(ctx, "x", 0, 1, time.Now()) },
		"a snapshot": func(ctx context.Context) error {
			return s.SaveSnapshot(ctx, driver.Snapshot{Stream: order("1"), Version: 1})
		},
	} {
		err := call(t.Context())
		require.ErrorIs(t, err, driver.ErrUnavailable, name)
		require.True(t, eventstore.Retryable(err), name)
		require.ErrorContains(t, err, "another connection or process has held the write lock", name)
	}
	require.Len(t, readStream(t, t.Context(), s, order("1")), 1, "readers read")
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 1)
	another := open(t, path, &sqlite.Options{BusyTimeout: 50 * time.Millisecond})
	require.Len(t, readAll(t, t.Context(), another, 0).Records, 1, "and so do those that come anew")
	release()
	receipts := commit(t, t.Context(), s, w)
	require.Equal(t, int64(3), receipts[0].Version)
}

func TestAFileThatAnotherProgramHasToItself(t *testing.T) {
	t.Parallel()
	path, events := closedFile(t)
	release := lockedBy(t, "exclusive", path)
	began := time.Now()
	_, err := sqlite.Open(t.Context(), path, &sqlite.Options{BusyTimeout: 50 * time.Millisecond})
	require.True(t, eventstore.Retryable(err), err)
	require.Less(t, time.Since(began), 10*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = sqlite.Open(ctx, path, &sqlite.Options{BusyTimeout: time.Minute})
	require.True(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
	require.Less(t, time.Since(began), 10*time.Second)
	release()
	require.Len(t, readAll(t, t.Context(), open(t, path, nil), 0).Records, events)
}
