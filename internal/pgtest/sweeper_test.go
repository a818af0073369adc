package pgtest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// victim tells a process of this test binary to start a cluster and wait for its end.
const victim = "TIDEMARK_PGTEST_VICTIM"

func serve() {
	c, err := pgtest.NewCluster(context.Background(), "", nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(c.Dir())
	fmt.Println(c.DSN("postgres"))
	<-make(chan int)
}

func TestAClusterGoesWithItsProcessEvenIfThatIsKilled(t *testing.T) {
	t.Parallel()
	binaries(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victim+"=yes")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	dir := lines.Text()
	require.True(t, lines.Scan())
	dsn := lines.Text()
	require.NoError(t, pgtest.Ping(t.Context(), dsn))

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err) && pgtest.Ping(t.Context(), dsn) != nil
	}, 30*time.Second, 10*time.Millisecond)
}
