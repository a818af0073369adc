package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// itself tells this test binary to be the command.
const itself = "TIDEMARK_WITH_ITSELF"

func TestMain(m *testing.M) {
	if os.Getenv(itself) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// with returns the command, to be run with an address in the environment, which may be empty.
func with(t *testing.T, address string, command ...string) *exec.Cmd {
	t.Helper()
	if _, err := pgtest.Find(); err != nil {
		t.Skip(err) // these tests install nothing
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], command...)
	cmd.Env = append(os.Environ(), itself+"=yes", pgtest.Env+"="+address)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestACommandGetsAServerThatEndsWithIt(t *testing.T) {
	t.Parallel()
	cmd := with(t, "", "sh", "-c", "echo $"+pgtest.Env+"; read go; exit 7")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	dsn := lines.Text()
	require.NoError(t, pgtest.Ping(t.Context(), dsn))

	_, err = io.WriteString(in, "on\n")
	require.NoError(t, err)
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 7, exit.ExitCode())
	require.Error(t, pgtest.Ping(t.Context(), dsn))
}

func TestASignalIsPassedOnAndTheServerStaysUntilTheCommandIsDone(t *testing.T) {
	t.Parallel()
	script := `trap 'echo interrupted; read on; exit 8' INT; echo $` + pgtest.Env + `; while :; do sleep 0.01; done`
	cmd := with(t, "", "sh", "-c", script)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	dsn := lines.Text()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.True(t, lines.Scan())
	require.Equal(t, "interrupted", lines.Text())
	require.NoError(t, pgtest.Ping(t.Context(), dsn))

	require.NoError(t, in.Close())
	require.Error(t, cmd.Wait())
	require.Error(t, pgtest.Ping(t.Context(), dsn))
}

func TestWithoutACommandThereIsAServerUntilASignal(t *testing.T) {
	t.Parallel()
	cmd := with(t, "")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "postgres://") {
	}
	dsn := lines.Text()
	require.NoError(t, pgtest.Ping(t.Context(), dsn))
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait())
	require.Error(t, pgtest.Ping(t.Context(), dsn))
}

func TestAServerThatIsGivenStays(t *testing.T) {
	t.Parallel()
	c := pgtest.StartCluster(t, nil)
	out, err := with(t, c.DSN("postgres"), "sh", "-c", "echo $"+pgtest.Env).Output()
	require.NoError(t, err)
	require.Equal(t, c.DSN("postgres")+"\n", string(out))
	require.NoError(t, pgtest.Ping(t.Context(), c.DSN("postgres")))
}

func TestAServerThatIsGivenAndDoesNotAnswerIsAnError(t *testing.T) {
	t.Parallel()
	cmd := with(t, "postgres://x@/x?host="+t.TempDir(), "echo", "not run")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.Error(t, err)
	require.Empty(t, out)
	require.Contains(t, stderr.String(), pgtest.Env+" names does not answer")
}
