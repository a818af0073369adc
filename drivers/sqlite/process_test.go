package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/internal/torture"
)

const (
	writerEnv = "TIDEMARK_SQLITE_WRITER"
	writers   = 8
)

var appendsOfOne = torture.Size(100, 500)

// Two processes append to one file, eight goroutines each, while both read: no error, and nothing is lost.
func TestTwoProcesses(t *testing.T) {
	path := inFile(t)
	s := open(t, path, nil)
	other := exec.CommandContext(t.Context(), os.Args[0])
	other.Env = append(os.Environ(), writerEnv+"="+path)
	output := make(chan string, 1)
	go func() {
		text, err := other.CombinedOutput()
		if err != nil {
			text = fmt.Append(text, err)
		}
		output <- string(text)
	}()
	require.NoError(t, appendAndFollow(t.Context(), s, "here"))
	require.Empty(t, <-output)
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 2*writers*appendsOfOne)
}

// otherProcess is what the test binary does when it is started by TestTwoProcesses.
func otherProcess(path string) (code int) {
	s, err := sqlite.Open(context.Background(), path, nil)
	if err == nil {
		err = errors.Join(appendAndFollow(context.Background(), s, "there"), s.Close())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// appendAndFollow appends in eight goroutines and reads until the events of both processes are there.
func appendAndFollow(ctx context.Context, s *sqlite.Store, where string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { cancelOn(cancel, appendChain(ctx, s, fmt.Sprint(where, i), appendsOfOne)) })
	}
	for range 2 {
		wg.Go(func() { cancelOn(cancel, followLog(ctx, s, 2*writers*appendsOfOne)) })
	}
	wg.Wait()
	return context.Cause(ctx)
}
