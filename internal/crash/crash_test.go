package crash_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
)

// The test starts itself again as the process to be killed, with the database in this variable.
const victim = "TIDEMARK_CRASH_VICTIM"

const (
	kills   = 30
	writers = 4
	streams = 20
)

type ticked struct{ By int }

type unrelated struct{ By int }

func TestMain(m *testing.M) {
	if database := os.Getenv(victim); database != "" {
		run(database)
		return
	}
	os.Exit(m.Run())
}

func TestNothingAcknowledgedIsLostAndNothingIsAppliedTwiceWhenAProcessIsKilled(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { killAll(t, filepath.Join(t.TempDir(), "crash.db")) })
	t.Run("Postgres", func(t *testing.T) { killAll(t, pgtest.DSN(t)) })
}

func killAll(t *testing.T, database string) {
	acknowledged := map[string]bool{}
	for range kills {
		runAndKill(t, database, 1+rand.IntN(300), acknowledged)
	}
	store, db := open(t.Context(), database)
	defer store.Close()
	t.Logf("%d events were acknowledged in %d lives", len(acknowledged), kills)
	requireStored(t, store, acknowledged)
	require.Equal(t, replayed(t, store), caughtUp(t, store, db))
}

// requireStored looks for each "stream version" that was acknowledged.
func requireStored(t *testing.T, store *eventstore.Store, acknowledged map[string]bool) {
	t.Helper()
	ctx := t.Context()
	for line := range acknowledged {
		var stream string
		var version int64
		_, err := fmt.Sscan(line, &stream, &version)
		require.NoError(t, err)
		id, err := eventstore.ParseStreamID(stream)
		require.NoError(t, err)
		found := 0
		for _, err := range store.Stream(ctx, id, &eventstore.StreamOptions{From: version, To: version}) {
			require.NoError(t, err)
			found++
		}
		require.Equal(t, 1, found, "%s was acknowledged and is lost", line)
	}
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
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), victim+"="+database)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	scanner := bufio.NewScanner(out)
	for n := 0; scanner.Scan(); n++ {
		line, whole := strings.CutSuffix(scanner.Text(), ".")
		if whole { // the last line may be cut off
			acknowledged[line] = true
		}
		if n == lines {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.ErrorContains(t, cmd.Wait(), "signal: killed", stderr.String())
}

// caughtUp runs the projection to the head and returns its read model.
func caughtUp(t *testing.T, store *eventstore.Store, db *sqlx.DB) map[string]int {
	t.Helper()
	runner, err := projection.NewRunner(store, nil, counts())
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

func openDriver(ctx context.Context, database string) sqlStore {
	if strings.HasPrefix(database, "postgres://") {
		s, err := postgres.Open(ctx, database, nil)
		check(err)
		return s
	}
	s, err := sqlite.Open(ctx, database, nil)
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

// run appends and projects until it is killed, and writes "stream version." for each version that was acknowledged.
func run(database string) {
	ctx := context.Background()
	store, _ := open(ctx, database)
	runner, err := projection.NewRunner(store, nil, counts())
	check(err)
	var out sync.Mutex
	for by := range writers {
		go func() {
			for {
				events := eventstore.Events(ticked{by}, unrelated{by}, ticked{by})[:1+rand.IntN(3)]
				receipt, err := store.Append(ctx, counter(rand.IntN(streams)), eventstore.Any, events...)
				check(err)
				out.Lock()
				for back := range events {
					fmt.Printf("%s %d.\n", receipt.Stream, receipt.Version-int64(back))
				}
				out.Unlock()
			}
		}()
	}
	check(runner.Run(ctx))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
