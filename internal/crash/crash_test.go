package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
)

const (
	writers = 4
	streams = 20
)

type ticked struct{ By int }

type unrelated struct{ By int }

func TestNothingAcknowledgedIsLostAndNothingIsAppliedTwiceWhenAProcessIsKilled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, database string) {
		acknowledged := map[string]bool{}
		lives := torture.Rounds(t, 10)
		for range lives {
			runAndKill(t, database, 1+rand.IntN(300), acknowledged)
		}
		t.Logf("%d events were acknowledged in %d lives", len(acknowledged), lives)
		requireWhole(t, database, acknowledged)
	})
}

// eachDatabase runs a test on SQLite and on Postgres, side by side.
func eachDatabase(t *testing.T, test func(t *testing.T, database string)) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "crash.db"))
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		test(t, pgtest.DSN(t))
	})
}

// requireWhole checks that everything acknowledged is there and that the read model is what it should be.
func requireWhole(t *testing.T, database string, acknowledged map[string]bool) {
	t.Helper()
	store, db := open(t.Context(), database)
	defer store.Close()
	requireStored(t, store, acknowledged)
	require.Equal(t, replayed(t, store), caughtUp(t, store, db))
}

// requireStored looks for each "stream version" that was acknowledged.
func requireStored(t *testing.T, store *eventstore.Store, acknowledged map[string]bool) {
	t.Helper()
	require.Empty(t, missing(t, store, acknowledged), "were acknowledged and are lost")
}

// missing returns what was acknowledged and is not there, or there twice.
func missing(t *testing.T, store *eventstore.Store, acknowledged map[string]bool) []string {
	t.Helper()
	var lost []string
	for line := range acknowledged {
		var stream string
		var version int64
		_, err := fmt.Sscan(line, &stream, &version)
		require.NoError(t, err)
		id, err := eventstore.ParseStreamID(stream)
		require.NoError(t, err)
		found := 0
		for _, err := range store.Stream(t.Context(), id, &eventstore.StreamOptions{From: version, To: version}) {
			require.NoError(t, err)
			found++
		}
		if found != 1 {
			lost = append(lost, line)
		}
	}
	return lost
}

// replayed counts what the read model should hold. Reading the streams also fails on a hole in their versions.
func replayed(t *testing.T, store *eventstore.Store) map[string]int {
	t.Helper()
	want := map[string]int{}
	for i := range streams {
		id := counter(i)
		for e, err := range store.Stream(t.Context(), id, nil) {
			require.NoError(t, err)
			if _, ok := e.Payload.(ticked); ok {
				want[id.String()]++
			}
		}
	}
	return want
}

// runAndKill starts a process, reads what it acknowledges, and kills it after some lines.
func runAndKill(t *testing.T, database string, lines int, acknowledged map[string]bool) {
	t.Helper()
	v := startVictim(t, database)
	for range lines {
		line, ok := <-v.lines
		require.True(t, ok, v.complaints())
		acknowledged[line] = true
	}
	v.signal(syscall.SIGKILL)
	require.ErrorContains(t, v.end(acknowledged), "signal: killed", v.complaints())
}

// caughtUp runs the projection to the head and returns its read model.
func caughtUp(t *testing.T, store *eventstore.Store, db *sqlx.DB) map[string]int {
	t.Helper()
	runner, err := projection.NewRunner(store, hasty(), counts())
	require.NoError(t, err)
	require.NoError(t, runner.CatchUp(t.Context()))
	return readModel(t, db)
}

func readModel(t *testing.T, db *sqlx.DB) map[string]int {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT stream, n FROM counts`)
	require.NoError(t, err)
	defer rows.Close()
	got := map[string]int{}
	for rows.Next() {
		var stream string
		var n int
		require.NoError(t, rows.Scan(&stream, &n))
		got[stream] = n
	}
	require.NoError(t, rows.Err())
	return got
}

// open opens a SQLite file or, by its URL, a Postgres database.
func open(ctx context.Context, database string) (*eventstore.Store, *sqlx.DB) {
	drv := openDriver(ctx, database)
	_, err := drv.DB().ExecContext(ctx, `CREATE TABLE IF NOT EXISTS counts (stream TEXT PRIMARY KEY, n INTEGER NOT NULL)`)
	check(err)
	reg := serializer.NewRegistry(nil)
	serializer.Register[ticked](reg, "counter.ticked")
	serializer.Register[unrelated](reg, "counter.unrelated")
	store, err := eventstore.New(drv, reg, nil)
	check(err)
	return store, drv.DB()
}

type sqlStore interface {
	driver.Store
	DB() *sqlx.DB
}

// synchronousEnv set to normal has SQLite acknowledge before it syncs.
const synchronousEnv = "TIDEMARK_CRASH_SYNCHRONOUS"

func openDriver(ctx context.Context, database string) sqlStore {
	if strings.HasPrefix(database, "postgres://") {
		s, err := postgres.Open(ctx, database, nil)
		check(err)
		return s
	}
	opts := &sqlite.Options{}
	if os.Getenv(synchronousEnv) == "normal" {
		opts.Synchronous = sqlite.Normal
	}
	s, err := sqlite.Open(ctx, database, opts)
	check(err)
	return s
}

func counter(i int) eventstore.StreamID {
	return eventstore.StreamID{Type: "counter", ID: fmt.Sprint(i)}
}

// counts is not idempotent on purpose: an event applied twice shows.
func counts() *projection.Projection {
	p := projection.New("counts", &projection.Options{BatchSize: 7})
	projection.On(p, func(ctx context.Context, e projection.Event[ticked]) error {
		tx, _ := sqltx.From(ctx)
		_, err := tx.ExecContext(ctx, tx.Rebind(`INSERT INTO counts VALUES (?, 1)
			ON CONFLICT (stream) DO UPDATE SET n = counts.n + 1`), e.Stream.String())
		return err
	})
	return p
}
