package torture_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// hostile is text that breaks out of quotes, comments, arrays, patterns, formats, paths and character sets where somebody
// lets it.
func hostile() []string {
	return []string{
		`'; DROP TABLE events; --`, `"; DROP TABLE "events"; --`, `x'); DELETE FROM events; --`, `$$; TRUNCATE events; $$`, `' OR '1'='1`,
		`/* `, ` */`, `--`, `;`, `\`, `\\`, `\'`, `\"`, `"`, `""`, `'`, `''`, `$1`, `$tag$`, `:name`, `?`, `??`, `@p1`, `%s%n%d`, `%`, `_`, `*`,
		`{`, `}`, `{a,b}`, `{"a"}`, `NULL`, `null`, `,`, `a,b`, `[]`, `()`, `\u0000`, `\x00`, `<script>`, `../../etc/passwd`, `${HOME}`, "`id`",
		"\n", "\r\n", "\t", " ", "\x01\x1f\x7f", "\u2028", "\ufeff", "\u202eabc", "\ufffd", "é", "e\u0301", "😀", "\U0010ffff",
		"\x00", "a\x00b", "\xff", "a\xc3\x28", "\xed\xa0\x80", "", strings.Repeat("x", 255), strings.Repeat("x", 256),
		strings.Repeat("é", 128), strings.Repeat("'", 255), strings.Repeat("x", 1<<20),
	}
}

// tooBad reports whether the rule for names refuses a text: every database must, in the same words.
func tooBad(text string) bool {
	return text == "" || len(text) > 255 || !utf8.ValidString(text) || strings.Contains(text, "\x00")
}

// target is a store with a canary in it: events, and the tables that they stand in.
type target struct {
	*eventstore.Store
	name   string
	tables int
}

var canary = folder("canary")

func newTarget(t testing.TB, name string, d driver.Store) *target {
	t.Helper()
	s, err := eventstore.New(d, registry(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.Append(t.Context(), canary, eventstore.NoStream, eventstore.Events(filed{N: 1}, filed{N: 2})...)
	require.NoError(t, err)
	g := &target{Store: s, name: name}
	g.tables = g.countTables(t)
	return g
}

func memoryTarget(t testing.TB) *target { return newTarget(t, "memory", memory.New()) }

func sqliteTarget(t testing.TB) *target {
	t.Helper()
	d, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "events.db"), &sqlite.Options{Synchronous: sqlite.Normal})
	require.NoError(t, err)
	return newTarget(t, "SQLite", d)
}

func postgresTarget(t testing.TB) *target {
	t.Helper()
	d, err := postgres.Open(t.Context(), pgtest.DSN(t), nil)
	require.NoError(t, err)
	return newTarget(t, "Postgres", d)
}

func eachTarget(t *testing.T, test func(t *testing.T, g *target)) {
	t.Helper()
	for name, open := range map[string]func(t testing.TB) *target{"memory": memoryTarget, "SQLite": sqliteTarget, "Postgres": postgresTarget} {
		t.Run(name, func(t *testing.T) {
			g := open(t)
			test(t, g)
			g.unharmed(t)
		})
	}
}

func (g *target) countTables(t testing.TB) (n int) {
	t.Helper()
	err := g.Transact(t.Context(), func(ctx context.Context) error {
		tx, _ := sqltx.From(ctx)
		query := `SELECT count(*) FROM sqlite_schema`
		if tx.DriverName() == "postgres" {
			query = `SELECT count(*) FROM pg_class`
		}
		return tx.GetContext(ctx, &n, query)
	})
	require.NoError(t, orNone(err))
	return n
}

// unharmed requires that the canary lives.
func (g *target) unharmed(t testing.TB) {
	t.Helper()
	n := 0
	for e, err := range g.Stream(t.Context(), canary, nil) {
		require.NoError(t, err)
		require.Equal(t, filed{N: n + 1}, e.Payload)
		n++
	}
	require.Equal(t, 2, n)
	require.Equal(t, g.tables, g.countTables(t))
}

// field is a place for a text: put stores it, or asks for it, and returns what comes back.
type field struct {
	name string
	put  func(ctx context.Context, s *eventstore.Store, text string) (string, error)
	// free says that any text goes that is UTF-8.
	free bool
}

func fields() []field {
	return []field{
		{name: "stream type", put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			e, err := appended(ctx, s, eventstore.StreamID{Type: text, ID: "1"}, eventstore.NewEvent{Payload: filed{N: 1}})
			return e.Stream.Type, err
		}},
		{name: "stream id", put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			e, err := appended(ctx, s, folder(text), eventstore.NewEvent{Payload: filed{N: 1}})
			return e.Stream.ID, err
		}},
		{name: "tag", put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			e, err := appended(ctx, s, folder(uuid.NewString()), eventstore.NewEvent{Payload: filed{N: 1}, Tags: []string{"a", text, "b"}})
			if err != nil {
				return "", err
			}
			return e.Tags[1], nil
		}},
		{name: "metadata key", free: true, put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			e, err := appended(ctx, s, folder(uuid.NewString()), eventstore.NewEvent{Payload: filed{N: 1}, Metadata: eventstore.Metadata{text: "v"}})
			for key := range e.Metadata {
				return key, err
			}
			return "", err
		}},
		{name: "metadata value", free: true, put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			e, err := appended(ctx, s, folder(uuid.NewString()), eventstore.NewEvent{Payload: filed{N: 1}, Metadata: eventstore.Metadata{"k": text}})
			return e.Metadata["k"], err
		}},
		// What is not UTF-8 is for the codec to judge; that of JSON makes it U+FFFD.
		{name: "payload", free: true, put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			if !utf8.ValidString(text) {
				return "", errors.New("left to the codec")
			}
			e, err := appended(ctx, s, folder(uuid.NewString()), eventstore.NewEvent{Payload: filed{Text: text}})
			if err != nil {
				return "", err
			}
			return e.Payload.(filed).Text, nil
		}},
		{name: "checkpoint", put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			if err := s.SaveCheckpoint(ctx, text, 0, 7); err != nil {
				return "", err
			}
			if at, err := s.LoadCheckpoint(ctx, text); err != nil || at != 7 {
				return "", fmt.Errorf("position %d: %w", at, err)
			}
			return text, s.SaveCheckpoint(ctx, text, 7, 0)
		}},
		{name: "owner of a lease", put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			l, err := s.AcquireLease(ctx, uuid.NewString(), text, time.Minute)
			return l.Owner, err
		}},
		{name: "lease", put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			l, err := s.AcquireLease(ctx, text, "me", time.Minute)
			if err != nil {
				return "", err
			}
			list, err := s.Leases(ctx, text)
			if err != nil || !slices.ContainsFunc(list, func(l eventstore.Lease) bool { return l.Name == text }) {
				return "", fmt.Errorf("%d leases: %w", len(list), err)
			}
			return l.Name, nil
		}},
		{name: "projection of a dead letter", put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			err := s.SaveDeadLetter(ctx, eventstore.DeadLetter{Projection: text, Position: 1, Stream: canary, Version: 1, Type: "filed"})
			if err != nil {
				return "", err
			}
			list, err := s.DeadLetters(ctx, text, 0, 10)
			if err != nil || len(list) != 1 {
				return "", fmt.Errorf("%d dead letters: %w", len(list), err)
			}
			return list[0].Projection, nil
		}},
		{name: "snapshot's stream", put: func(ctx context.Context, s *eventstore.Store, text string) (string, error) {
			if err := s.SaveSnapshot(ctx, eventstore.Snapshot{Stream: folder(text), Version: 1, State: filed{N: 1}}); err != nil {
				return "", err
			}
			snap, ok, err := s.LoadSnapshot(ctx, folder(text))
			if err == nil && !ok {
				err = errors.New("no snapshot")
			}
			return snap.Stream.ID, err
		}},
	}
}

// appended appends one event and returns it as it is read back.
func appended(ctx context.Context, s *eventstore.Store, stream eventstore.StreamID, e eventstore.NewEvent) (eventstore.Event, error) {
	receipt, err := s.Append(ctx, stream, eventstore.Any, e)
	if err != nil {
		return eventstore.Event{}, err
	}
	for e, err := range s.Stream(ctx, stream, &eventstore.StreamOptions{From: receipt.Version}) {
		return e, err
	}
	return eventstore.Event{}, errors.New("it is not there")
}

func TestHostileTextComesBackAsItIsOrIsRefusedAndIsNeverExecuted(t *testing.T) {
	eachTarget(t, func(t *testing.T, g *target) {
		for _, f := range fields() {
			for _, text := range hostile() {
				got, err := f.put(t.Context(), g.Store, text)
				refused := tooBad(text) && !f.free || !utf8.ValidString(text) || f.name == "stream type" && strings.Contains(text, "-")
				if refused {
					requireClear(t, err, f.name, text)
				} else {
					require.NoError(t, err, "%s %.80q", f.name, text)
					require.Equal(t, text, got, "%s", f.name)
				}
			}
			g.unharmed(t)
		}
	})
}

// requireClear requires an error of ours, made before the database was asked.
func requireClear(t testing.TB, err error, what, text string) {
	t.Helper()
	require.Error(t, err, "%s %.80q", what, text)
	require.Less(t, len(err.Error()), 2000, "%s %.80q: the error repeats what it was given", what, text)
	for _, raw := range []string{"pq:", "SQLSTATE", "SQL logic error", "ERROR", "constraint"} {
		require.NotContains(t, err.Error(), raw, "%s %.80q", what, text)
	}
}

func TestHostileFiltersSelectNothing(t *testing.T) {
	eachTarget(t, func(t *testing.T, g *target) {
		for _, text := range hostile() {
			for _, opts := range []*eventstore.ReadOptions{{Types: []string{text}}, {StreamTypes: []string{text}}, {Types: []string{"filed", text}, StreamTypes: []string{text}}} {
				page, err := g.ReadAll(t.Context(), 0, opts)
				if tooBad(text) {
					requireClear(t, err, "filter", text)
					continue
				}
				require.NoError(t, err, "%.80q", text)
				require.Empty(t, page.Events, "%.80q", text)
			}
			for _, err := range g.Stream(t.Context(), folder(text), nil) {
				require.True(t, tooBad(text), "%.80q: %v", text, err)
			}
		}
	})
}

func TestNumbersAtTheirLimits(t *testing.T) {
	numbers := []int64{0, 1, 2, 3, 1 << 31, 1 << 32, math.MaxInt64 - 1, math.MaxInt64, -1, -2, -3, math.MinInt64}
	eachTarget(t, func(t *testing.T, g *target) {
		for _, n := range numbers {
			page, err := g.ReadAll(t.Context(), n, nil)
			if n < 0 {
				requireClear(t, err, "position", fmt.Sprint(n))
			} else {
				require.NoError(t, err, "position %d", n)
				require.Len(t, page.Events, int(max(0, 2-min(n, 2))), "position %d", n)
				require.GreaterOrEqual(t, page.Next, n)
			}
			_, err = g.ReadAll(t.Context(), 0, &eventstore.ReadOptions{Limit: int(n)})
			require.Equal(t, n < 0, err != nil, "Limit %d: %v", n, err)
			_, err = g.Append(t.Context(), canary, eventstore.Exactly(n))
			require.Equal(t, n != 2, err != nil, "version %d: %v", n, err)
			for _, m := range numbers {
				got, err := versionsRead(t.Context(), g.Store, &eventstore.StreamOptions{From: n, To: m, Limit: int(m)})
				if n < 0 || m < 0 {
					requireClear(t, err, "range", fmt.Sprint(n, m))
					continue
				}
				require.NoError(t, err, "from %d to %d", n, m)
				require.Equal(t, versionsBetween(n, m), got, "from %d to %d", n, m)
			}
		}
	})
}

func versionsRead(ctx context.Context, s *eventstore.Store, opts *eventstore.StreamOptions) (list []int64, err error) {
	for _, backward := range []bool{false, true} {
		opts.Backward, list = backward, nil
		for e, err := range s.Stream(ctx, canary, opts) {
			if err != nil {
				return nil, err
			}
			list = append(list, e.Version)
		}
	}
	slices.Reverse(list)
	return list, nil
}

// versionsBetween are those of a stream of two events.
func versionsBetween(from, to int64) []int64 {
	var list []int64
	for v := max(1, from); v <= 2 && (to == 0 || v <= to); v++ {
		list = append(list, v)
	}
	return list
}
