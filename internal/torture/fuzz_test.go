package torture_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// FuzzEveryDriverAnswersAlike appends and reads whatever comes on every driver there is: all refuse it in the same words,
// or all give it back as it was.
func FuzzEveryDriverAnswersAlike(f *testing.F) {
	for _, text := range hostile()[:50] {
		f.Add("folder", text, "key", text, text, int64(1), int64(0), 10)
		f.Add(text, "1", text, "value", "tag", int64(-1), int64(7), -1)
	}
	all := []*target{memoryTarget(f), sqliteTarget(f)}
	if _, err := pgtest.Find(); err == nil || os.Getenv(pgtest.Env) != "" {
		all = append(all, postgresTarget(f))
	}
	f.Fuzz(func(t *testing.T, typ, id, key, value, tag string, from, after int64, limit int) {
		stream := eventstore.StreamID{Type: typ, ID: id + uuid.NewString()[:8]}
		e := eventstore.NewEvent{Payload: filed{N: limit}, Metadata: eventstore.Metadata{key: value}, Tags: []string{tag}}
		var first string
		for i, g := range all {
			said := converse(t.Context(), g.Store, stream, e, from, after, limit)
			if i == 0 {
				first = said
			}
			require.Equal(t, first, said, "%s and %s differ", all[0].name, g.name)
			require.NotContains(t, said, "SQL")
			g.unharmed(t)
		}
	})
}

// converse appends an event twice and reads it back in some ways, and returns what was said, apart from positions and
// times.
func converse(ctx context.Context, s *eventstore.Store, stream eventstore.StreamID, e eventstore.NewEvent, from, after int64, limit int) string {
	var said strings.Builder
	e.ID = uuid.NewSHA1(uuid.Nil, []byte(stream.String()))
	for _, expected := range []eventstore.ExpectedVersion{eventstore.Exactly(from), eventstore.Any, eventstore.NoStream} {
		receipt, err := s.Append(ctx, stream, expected, e)
		fmt.Fprintln(&said, receipt.Version, receipt.Duplicate, err)
	}
	for e, err := range s.Stream(ctx, stream, &eventstore.StreamOptions{From: from, To: after, Limit: limit}) {
		fmt.Fprintln(&said, e.Version, e.Stream, e.ID, e.Type, e.Payload, e.Metadata, e.Tags, err)
	}
	page, err := s.ReadAll(ctx, after, &eventstore.ReadOptions{Limit: limit, StreamTypes: []string{stream.Type}, Types: []string{"filed"}})
	fmt.Fprintln(&said, len(page.Events), page.Next >= after, err)
	head, err := s.Head(ctx)
	fmt.Fprintln(&said, head > 0, err)
	return said.String()
}

const secret = "hunter2-s3cret"

// FuzzDSN opens whatever comes, without ever connecting: the context has ended. The password must not come back.
func FuzzDSN(f *testing.F) {
	for _, rest := range []string{"@localhost/db", "%zz@/db?x=%", "' host=\\", "@[::1", "@h:port/db", "\x00", " sslmode=none", "@host/db?sslmode='"} {
		f.Add("postgres://user:", rest)
		f.Add("host=h password='", rest)
		f.Add("password=", rest)
		f.Add("", rest)
	}
	ended, cancel := context.WithCancel(f.Context())
	cancel()
	f.Fuzz(func(t *testing.T, before, after string) {
		_, err := postgres.Open(ended, before+secret+after, nil)
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
	})
}

// FuzzSQLiteFile opens a file of any bytes: it is refused, or it works.
func FuzzSQLiteFile(f *testing.F) {
	sound := soundFile(f)
	f.Add([]byte(nil))
	f.Add([]byte("SQLite format 3\x00"))
	f.Add(sound)
	for i := range 40 {
		damaged := slices.Clone(sound[:len(sound)*(i+1)/40])
		binary.LittleEndian.PutUint64(damaged[(i*977)%(len(damaged)-8):], uint64(i)*0x9e3779b97f4a7c15)
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "events.db")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		d, err := sqlite.Open(t.Context(), path, nil)
		if err != nil {
			require.ErrorContains(t, err, path)
			return
		}
		s, err := eventstore.New(d, registry(), nil)
		require.NoError(t, err)
		_, _ = s.Append(t.Context(), folder("more"), eventstore.Any, eventstore.Events(filed{N: 1})...)
		for _, err := range s.All(t.Context(), 0, nil) {
			if err != nil {
				break
			}
		}
		_ = s.Close()
	})
}

// soundFile is a database of some events.
func soundFile(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sound.db")
	d, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	s, err := eventstore.New(d, registry(), nil)
	require.NoError(t, err)
	for i := range fileEvents {
		_, err := s.Append(t.Context(), folder(fmt.Sprint(i%7)), eventstore.Any, eventstore.Events(filed{N: i})...)
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

const fileEvents = 200

// A file that lost its end is never taken for a shorter log.
func TestATruncatedSQLiteFileIsRefusedOrWhole(t *testing.T) {
	sound := soundFile(t)
	for length := 0; length < len(sound); length += 1000 {
		path := filepath.Join(t.TempDir(), "events.db")
		require.NoError(t, os.WriteFile(path, sound[:length], 0o600))
		d, err := sqlite.Open(t.Context(), path, nil)
		if err != nil {
			require.ErrorContains(t, err, path)
			continue
		}
		s, err := eventstore.New(d, registry(), nil)
		require.NoError(t, err)
		n, failed := 0, false
		for _, err := range s.All(t.Context(), 0, nil) {
			failed = failed || err != nil
			n++
		}
		require.NoError(t, s.Close())
		require.True(t, failed || n == fileEvents || length == 0 && n == 0, "%d of %d bytes read as a log of %d events", length, len(sound), n)
	}
}
