package chaos_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
)

// workerEnv has the database that the test, started again as a worker, is to work on.
const workerEnv = "TIDEMARK_CHAOS_WORKER"

func TestMain(m *testing.M) {
	if database := os.Getenv(workerEnv); database != "" {
		work(database)
		return
	}
	os.Exit(m.Run())
}

const (
	projections = 4
	partitions  = 4
	lease       = 600 * time.Millisecond
)

func options() *projection.RunnerOptions {
	return &projection.RunnerOptions{Lease: lease, Poll: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
}

func work(database string) {
	store, _ := open(context.Background(), database)
	runner, err := projection.NewRunner(store, options(), all()...)
	check(err)
	check(runner.Run(context.Background()))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type moved struct{ Cents int }

func table(i int) string { return fmt.Sprintf("chaos%d", i) }

// all returns the projections. Each keeps, for each stream, how many events it was given and a mixture of their versions
// that another order or a repetition would make another one.
func all() []*projection.Projection {
	ps := make([]*projection.Projection, projections)
	for i := range ps {
		ps[i] = projection.New(table(i), &projection.Options{Partitions: partitions, BatchSize: 50})
		insert := fmt.Sprintf(`INSERT INTO %[1]s VALUES (?, 1, ?) ON CONFLICT (stream) DO UPDATE
SET n = %[1]s.n + 1, mix = (%[1]s.mix * 31 + excluded.mix) %% 1000000007`, table(i))
		projection.On(ps[i], func(ctx context.Context, e projection.Event[moved]) error {
			tx, _ := sqltx.From(ctx)
			_, err := tx.ExecContext(ctx, tx.Rebind(insert), e.Stream.ID, e.Version)
			return err
		})
	}
	return ps
}

type sqlStore interface {
	driver.Store
	DB() *sqlx.DB
}

// open opens a SQLite file or, by its URL, a Postgres database.
func open(ctx context.Context, database string) (*eventstore.Store, *sqlx.DB) {
	var drv sqlStore
	var err error
	if strings.HasPrefix(database, "postgres://") {
		drv, err = postgres.Open(ctx, database, nil)
	} else {
		drv, err = sqlite.Open(ctx, database, nil)
	}
	check(err)
	for i := range projections {
		_, err := drv.DB().ExecContext(ctx, fmt.Sprintf(
			`CREATE TABLE IF NOT EXISTS %s (stream TEXT PRIMARY KEY, n BIGINT NOT NULL, mix BIGINT NOT NULL)`, table(i)))
		check(err)
	}
	reg := serializer.NewRegistry(nil)
	serializer.Register[moved](reg, "account.moved")
	store, err := eventstore.New(drv, reg, nil)
	check(err)
	return store, drv.DB()
}

// worker is a process that works.
type worker struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *os.File
}

func startWorker(t *testing.T, database string) *worker {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	stderr, err := os.CreateTemp(t.TempDir(), "stderr")
	require.NoError(t, err)
	w := &worker{t: t, cmd: exec.CommandContext(t.Context(), self), stderr: stderr}
	w.cmd.Env = append(os.Environ(), workerEnv+"="+database)
	w.cmd.Stderr = stderr
	require.NoError(t, w.cmd.Start())
	return w
}

func (w *worker) signal(what syscall.Signal) {
	w.t.Helper()
	require.NoError(w.t, w.cmd.Process.Signal(what), w.complaints())
}

// kill ends the process, which must have lived until now.
func (w *worker) kill() {
	w.t.Helper()
	w.signal(syscall.SIGKILL)
	require.ErrorContains(w.t, w.cmd.Wait(), "signal: killed", w.complaints())
	require.NoError(w.t, w.stderr.Close())
}

// owns reports whether an owner is this process.
func (w *worker) owns(owner string) bool {
	return strings.Contains(owner, fmt.Sprintf(":%d:", w.cmd.Process.Pid))
}

func (w *worker) complaints() string {
	text, err := os.ReadFile(w.stderr.Name())
	require.NoError(w.t, err)
	return string(text[max(0, len(text)-4000):])
}
