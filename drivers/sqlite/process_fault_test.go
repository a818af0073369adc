package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
)

// faultEnv tells the test binary what to do in a process of its own, and to which file: "name path".
const faultEnv = "TIDEMARK_SQLITE_FAULT"

// faultProcesses are what it can do. They return what is wrong.
func faultProcesses() map[string]func(ctx context.Context, path string) error {
	return map[string]func(ctx context.Context, path string) error{
		"quota":     liveWithAQuota,
		"lock":      holdLock("PRAGMA busy_timeout = 5000", "BEGIN IMMEDIATE"),
		"exclusive": holdLock("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"),
		"reads":     asNobody(readReadOnly),
		"refused":   asNobody(openRefused(sqlite3.ErrReadonly)),
		"unopened":  asNobody(openRefused(sqlite3.ErrCantOpen)),
	}
}

func faultProcess(what string) (code int) {
	var name, path string
	_, err := fmt.Sscan(what, &name, &path)
	if err == nil {
		err = faultProcesses()[name](context.Background(), path)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// inProcess prepares a process of its own that does something to a file.
func inProcess(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), faultEnv+"="+name+" "+path)
	return cmd
}

// runsWell runs a process to its end and wants nothing to be wrong.
func runsWell(t *testing.T, name, path string) {
	t.Helper()
	output, err := inProcess(t, name, path).CombinedOutput()
	require.NoError(t, err, string(output))
}
