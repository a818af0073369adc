package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// fill appends to new streams until there is no room, and returns the write that found none.
func fill(ctx context.Context, s *sqlite.Store, prefix string) (stored int, refused driver.Write, err error) {
	for ; ; stored++ {
		w := appends(order(fmt.Sprint(prefix, stored)), driver.NoStream, 1+stored%5)
		if _, err := s.Commit(ctx, []driver.Write{w}); err != nil {
			return stored, w, err
		}
	}
}

// The database must not get larger: what SQLite says then is what it says of a full disk.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		ctx := t.Context()
		limit := func(more int64) {
			s.DB().MustExec(fmt.Sprintf("PRAGMA max_page_count = %d", pragma(t, s, "page_count")+more))
		}
		limit(20)
		n, refused, err := fill(ctx, s, "first ")
		requireFull := func(err error) {
			t.Helper()
			var own sqlite3.Error
			require.ErrorAs(t, err, &own)
			require.Equal(t, sqlite3.ErrFull, own.Code)
			require.ErrorContains(t, err, "make room")
			require.True(t, eventstore.Retryable(err))
		}
		requireFull(err)
		require.Len(t, whole(t, s), n, "streams, each of them whole")
		for range 3 {
			_, err = s.Commit(ctx, []driver.Write{refused})
			requireFull(err)
			_, err = s.Commit(ctx, []driver.Write{appends(order("large"), driver.Any, 500)})
			requireFull(err)
		}
		requireFull(in(ctx, s, func(ctx context.Context) error {
			_, _, err := fill(ctx, s, "inside ")
			return err
		}))
		outcomes, err := s.CommitBatch(ctx, [][]driver.Write{{appends(order("x"), driver.Any, 300)}, {appends(order("y"), driver.Any, 300)}})
		if err == nil {
			err = errors.Join(outcomes[0].Err, outcomes[1].Err)
		}
		requireFull(err)
		require.Len(t, whole(t, s), n, "streams after all that was refused")
		requireClean(t, s)

		limit(1000)
		receipts := commit(t, ctx, s, refused)
		require.Equal(t, int64(len(refused.Events)), receipts[0].Version)
		require.Len(t, whole(t, s), n+1)
	})
}

// whole reads the log, checks that it is complete, and returns how many events each stream has.
func whole(t *testing.T, s *sqlite.Store) map[driver.StreamID]int {
	t.Helper()
	counts := make(map[driver.StreamID]int)
	appendSize := 0
	for _, r := range readAll(t, t.Context(), s, 0).Records {
		counts[r.Stream]++
		require.Equal(t, int64(counts[r.Stream]), r.Version)
		if r.AppendSize > 0 {
			require.Zero(t, appendSize, "events that an append before %s should still have", r.Stream)
			appendSize = r.AppendSize
		}
		appendSize--
	}
	require.Zero(t, appendSize, "events that the last append should still have")
	return counts
}

func TestADiskThatFails(t *testing.T) {
	t.Parallel()
	runsWell(t, "quota", inFile(t))
}

// liveWithAQuota has the system refuse every write beyond a limit to the length of files, in the midst of the write.
// SQLite takes it for a failing disk.
func liveWithAQuota(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	for round := range 10 {
		log, err := os.Stat(path + "-wal")
		if err != nil {
			return err
		}
		if err := limitFiles(log.Size() + 50_000 + int64(round)*1001); err != nil {
			return err
		}
		n, refused, err := fill(ctx, s, fmt.Sprint(round, " "))
		if again := commitOnce(ctx, s, refused); !eventstore.Retryable(err) || !eventstore.Retryable(again) || n == 0 {
			return fmt.Errorf("want errors that are retryable after some appends, got after %d: %w, %w", n, err, again)
		}
		if err := limitFiles(1 << 40); err != nil {
			return err
		}
		if err := commitOnce(ctx, s, refused); err != nil {
			return fmt.Errorf("when there is room again: %w", err)
		}
		page, err := s.ReadAll(ctx, driver.AllQuery{Limit: 1 << 20, MaxBytes: 1 << 30})
		if last := page.Records[len(page.Records)-1]; err != nil || last.ID != refused.Events[len(refused.Events)-1].ID {
			return fmt.Errorf("the last event is %+v, error %w", last, err)
		}
	}
	return s.Close()
}

func limitFiles(length int64) error {
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(length), Max: 1 << 40})
}

func commitOnce(ctx context.Context, s *sqlite.Store, w driver.Write) error {
	_, err := s.Commit(ctx, []driver.Write{w})
	return err
}
