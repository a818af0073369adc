package sqlite_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestStoredForm(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		w := appends(order("1"), driver.NoStream, 4)
		w.Events[0].Data = []byte(`{"name":"a\u0000b", "total": 12345678901234567890.120}`)
		w.Events[0].Metadata = []byte(`{"who":"Ada"}`)
		w.Events[0].Tags = []string{"a", `"b"<&>`}
		w.Events[1].ContentType, w.Events[1].Data = "application/protobuf", []byte{0, 1, 0xff, '"', 0}
		w.Events[2].ContentType, w.Events[2].Data = "text/plain", nil
		w.Events[3].Data = []byte("\"\xff\"")
		commit(t, t.Context(), s, w)

		t.Run("comes back byte for byte", func(t *testing.T) {
			stored := readStream(t, t.Context(), s, order("1"))
			require.Len(t, stored, len(w.Events))
			for i, r := range stored {
				require.True(t, bytes.Equal(w.Events[i].Data, r.Data), "data of event %d: %q", i, r.Data)
				require.Equal(t, w.Events[i].Metadata, r.Metadata)
				require.Equal(t, w.Events[i].Tags, r.Tags)
				require.Equal(t, w.Events[i].ID, r.ID)
			}
		})
		t.Run("is text for JSON and a blob for all else", func(t *testing.T) {
			var types []string
			require.NoError(t, s.DB().Select(&types, `SELECT typeof(event_data) FROM events ORDER BY version`))
			require.Equal(t, []string{"text", "blob", "blob", "blob"}, types)
		})
		t.Run("can be queried with SQL", func(t *testing.T) {
			var row struct{ ID, Total, Who, Tag, At string }
			require.NoError(t, s.DB().Get(&row, `SELECT id, event_data -> '$.total' AS total, metadata ->> '$.who' AS who,
				tags ->> 1 AS tag, datetime(created_at / 1000000, 'unixepoch') AS at FROM events WHERE version = 1`))
			require.Equal(t, w.Events[0].ID.String(), row.ID)
			require.Equal(t, "12345678901234567890.120", row.Total)
			require.Equal(t, "Ada", row.Who)
			require.Equal(t, `"b"<&>`, row.Tag)
			require.Equal(t, "2025-03-04 05:06:07", row.At)
		})
	})
	t.Run("refuses tags that JSON can't hold", func(t *testing.T) {
		w := appends(order("1"), driver.NoStream, 1)
		w.Events[0].Tags = []string{"\xff"}
		_, err := open(t, ":memory:", nil).Commit(t.Context(), []driver.Write{w})
		require.ErrorContains(t, err, "not valid UTF-8")
	})
}

func TestEventsAreAppendOnly(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 2))
		before := readStream(t, t.Context(), s, order("1"))
		for name, query := range map[string]string{
			"UPDATE": `UPDATE events SET event_data = '{}'`,
			"DELETE": `DELETE FROM events WHERE version = 2`,
			"INSERT OR REPLACE": `INSERT OR REPLACE INTO events SELECT id, stream_id, stream_type, version, global_position,
				event_type, schema_version, content_type, created_at, append_size, tags, metadata, '{}' FROM events`,
		} {
			t.Run("the database refuses "+name, func(t *testing.T) {
				_, err := s.DB().Exec(query)
				require.ErrorContains(t, err, "events are append-only")
				require.Equal(t, before, readStream(t, t.Context(), s, order("1")))
			})
		}
	})
}

func TestCommit(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		t.Run("numbers events of many statements in one go", func(t *testing.T) {
			receipts := commit(t, t.Context(), s, appends(order("many"), driver.NoStream, 1000))
			require.Equal(t, int64(1000), receipts[0].Version)
			stored := readStream(t, t.Context(), s, order("many"))
			require.Len(t, stored, 1000)
			for i, r := range stored {
				require.Equal(t, int64(i+1), r.Version)
				require.Equal(t, receipts[0].Position-999+int64(i), r.Position)
			}
			require.Equal(t, 1000, stored[0].AppendSize)
			require.Zero(t, stored[1].AppendSize)
		})
		t.Run("tells a value that is too big for SQLite from other errors", func(t *testing.T) {
			before := setLimit(t, s, sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
			w := appends(order("big"), driver.NoStream, 1)
			w.Events[0].Data = bytes.Repeat([]byte("1"), 10_001)
			_, err := s.Commit(t.Context(), []driver.Write{w})
			require.ErrorContains(t, err, "SQLite takes values of up to 1,000,000,000 bytes")
			setLimit(t, s, sqlite3.SQLITE_LIMIT_LENGTH, before)
			commit(t, t.Context(), s, w)
		})
		t.Run("passes on what a trigger of the user's says", func(t *testing.T) {
			s.DB().MustExec(`CREATE TRIGGER users BEFORE INSERT ON events WHEN new.stream_type = 'secret' BEGIN
				SELECT RAISE(ABORT, 'no secrets here'); END`)
			for _, n := range []int{1, 2} {
				w := appends(driver.StreamID{Type: "secret", ID: "1"}, driver.NoStream, n)
				_, err := s.Commit(t.Context(), []driver.Write{w})
				require.ErrorContains(t, err, "no secrets here")
				require.NotErrorIs(t, err, driver.ErrRace)
			}
		})
	})
}

// setLimit changes a limit of the writer's connection and returns what it was.
func setLimit(t *testing.T, s *sqlite.Store, limit, value int) (before int) {
	t.Helper()
	c, err := s.DB().Connx(t.Context())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Raw(func(raw any) error {
		before = raw.(interface{ SetLimit(id, value int) int }).SetLimit(limit, value)
		return nil
	}))
	return before
}

func TestPositions(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		var shown []int64
		appendOne := func(ctx context.Context) error {
			receipts, err := s.Commit(ctx, []driver.Write{appends(order("1"), driver.Any, 1)})
			if err == nil {
				shown = append(shown, receipts[0].Position)
			}
			return err
		}
		appendKnown := func(ctx context.Context) error {
			version := len(readStream(t, ctx, s, order("1")))
			receipts, err := s.Commit(ctx, []driver.Write{appends(order("1"), driver.ExpectedVersion(version), 1)})
			if err == nil {
				shown = append(shown, receipts[0].Position)
			}
			return err
		}
		rolledBack := func(ctx context.Context) error {
			err := in(ctx, s, func(ctx context.Context) error {
				require.NoError(t, appendOne(ctx))
				require.NoError(t, appendOne(ctx))
				return context.Canceled
			})
			require.ErrorIs(t, err, context.Canceled)
			return nil
		}
		committed := func(ctx context.Context) error { return in(ctx, s, appendOne) }
		undone := func(ctx context.Context) error {
			return in(ctx, s, func(ctx context.Context) error {
				s := sqlIn(t, ctx)
				s.MustExec("SAVEPOINT users")
				require.NoError(t, appendOne(ctx))
				s.MustExec("ROLLBACK TO users; RELEASE users")
				return appendOne(ctx)
			})
		}
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		steps := []func(context.Context) error{appendOne, appendKnown, rolledBack, committed, undone}
		require.NoError(t, rolledBack(t.Context()), "the first events ever")
		for range 200 {
			require.NoError(t, steps[random.IntN(len(steps))](t.Context()))
		}
		for i := range shown[1:] {
			require.Greater(t, shown[i+1], shown[i], "position %d of a receipt, seed %d", i+1, seed)
		}
		require.NoError(t, appendKnown(t.Context()))
		require.Equal(t, shown[len(shown)-1], readAll(t, t.Context(), s, 0).Head)
	})
}

// Eight writers append to streams of their own while readers go through the log: nobody is told that the database is
// busy, and nothing is lost.
func TestConcurrency(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		const writers, each, readers = 8, 500, 3
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var writing, reading sync.WaitGroup
		for i := range writers {
			writing.Go(func() { cancelOn(cancel, appendChain(ctx, s, fmt.Sprint(i), each)) })
		}
		for range readers {
			reading.Go(func() { cancelOn(cancel, followLog(ctx, s, writers*each)) })
		}
		writing.Wait()
		reading.Wait()
		require.NoError(t, context.Cause(ctx))
	})
}

func cancelOn(cancel context.CancelCauseFunc, err error) {
	if err != nil {
		cancel(err)
	}
}

// appendChain appends n events to a stream one by one, each at the version that the one before it left.
func appendChain(ctx context.Context, s *sqlite.Store, id string, n int) error {
	for i := range n {
		w := appends(order(id), driver.ExpectedVersion(i), 1)
		if i%10 == 9 {
			w.Expected = driver.Any
		}
		if _, err := s.Commit(ctx, []driver.Write{w}); err != nil {
			return fmt.Errorf("append %d to %s: %w", i, id, err)
		}
	}
	return nil
}

// followLog reads until it has got n events, and checks that they are complete and in order.
func followLog(ctx context.Context, s *sqlite.Store, n int) error {
	versions := make(map[driver.StreamID]int64)
	var after int64
	for got := 0; got < n; {
		page, err := s.ReadAll(ctx, driver.AllQuery{After: after, Limit: 100, MaxBytes: 1 << 20})
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			if versions[r.Stream]++; r.Version != versions[r.Stream] || r.Position <= after {
				return fmt.Errorf("position %d holds version %d of %s, want %d", r.Position, r.Version, r.Stream, versions[r.Stream])
			}
			after = r.Position
		}
		got += len(page.Records)
		after = page.Next
		if len(page.Records) == 0 {
			<-time.After(time.Millisecond) // leave the processors to the writers
		}
	}
	return nil
}

func TestErrors(t *testing.T) {
	t.Run("name the file and keep SQLite's own error", func(t *testing.T) {
		path := inFile(t)
		s := open(t, path, nil)
		s.DB().MustExec(`DROP TABLE subscription_checkpoints`)
		err := s.SaveCheckpoint(t.Context(), "orders", 0, 1, time.Now())
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "orders")
		var own sqlite3.Error
		require.ErrorAs(t, err, &own)
	})
	for column, says := range map[string]string{"id": "damaged id", "tags": "damaged tags"} {
		t.Run("tell at which position an event has a "+says, func(t *testing.T) {
			s := open(t, ":memory:", nil)
			commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
			s.DB().MustExec(`DROP TRIGGER events_no_update; UPDATE events SET ` + column + ` = 'x'`)
			_, err := s.ReadStream(t.Context(), driver.StreamQuery{Stream: order("1"), From: 1, Limit: 1, MaxBytes: 1})
			require.ErrorContains(t, err, "the event at position 1 has")
			require.ErrorContains(t, err, says)
		})
	}
}
