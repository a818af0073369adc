package crash_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

// The test starts itself again as the process to be killed, with the database in this variable.
const victimEnv = "TIDEMARK_CRASH_VICTIM"

func TestMain(m *testing.M) {
	if database := os.Getenv(victimEnv); database != "" {
		limitFiles()
		run(database)
		return
	}
	os.Exit(m.Run())
}

// run appends and projects until it is killed, and writes "stream version." for each version that was acknowledged.
func run(database string) {
	ctx := context.Background()
	store, _ := open(ctx, database)
	runner, err := projection.NewRunner(store, hasty(), counts())
	check(err)
	var out sync.Mutex
	for by := range writers {
		go func() {
			for {
				events := newEvents(store, by)
				receipt, err := insist(ctx, store, counter(rand.IntN(streams)), events)
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

// hasty has a projection go over to another process soon after its own has fallen silent.
func hasty() *projection.RunnerOptions {
	return &projection.RunnerOptions{Lease: 400 * time.Millisecond, Poll: 100 * time.Millisecond}
}

// newEvents returns one to three events with ids, so that they can be appended again.
func newEvents(store *eventstore.Store, by int) []eventstore.NewEvent {
	events := eventstore.Events(ticked{by}, unrelated{by}, ticked{by})[:1+rand.IntN(3)]
	for i := range events {
		events[i].ID = store.NewID()
	}
	return events
}

// insist tries again whatever may help, as the documentation of Append says, and gives no try longer than a second.
func insist(ctx context.Context, store *eventstore.Store, stream eventstore.StreamID, events []eventstore.NewEvent) (eventstore.Receipt, error) {
	try := func() (eventstore.Receipt, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return store.Append(ctx, stream, eventstore.Any, events...)
	}
	for {
		receipt, err := try()
		late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		if !late && !eventstore.Retryable(err) {
			return receipt, err
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// victim is such a process.
type victim struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr string      // the file that it writes its complaints to
	lines  chan string // closed when the process has ended
}

func startVictim(t *testing.T, database string, env ...string) *victim {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	stderr, err := os.CreateTemp(t.TempDir(), "stderr")
	require.NoError(t, err)
	defer stderr.Close()
	v := &victim{t: t, cmd: exec.CommandContext(t.Context(), self), stderr: stderr.Name(), lines: make(chan string)}
	v.cmd.Env = append(append(os.Environ(), victimEnv+"="+database), env...)
	v.cmd.Stderr = stderr
	out, err := v.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, v.cmd.Start())
	go func() {
		defer close(v.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			if line, whole := strings.CutSuffix(scanner.Text(), "."); whole { // the last line may be cut off
				v.lines <- line
			}
		}
	}()
	return v
}

// complaints returns what the process had to say besides.
func (v *victim) complaints() string {
	text, err := os.ReadFile(v.stderr)
	require.NoError(v.t, err)
	return string(text)
}

func (v *victim) signal(what syscall.Signal) {
	v.t.Helper()
	require.NoError(v.t, v.cmd.Process.Signal(what))
}

// end reads what the process has still acknowledged, and returns how it ended.
func (v *victim) end(acknowledged map[string]bool) error {
	for line := range v.lines {
		acknowledged[line] = true
	}
	return v.cmd.Wait()
}
