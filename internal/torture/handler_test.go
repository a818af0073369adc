package torture_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
)

// stuck is a projection whose handler waits for its context's end.
func stuck(begun chan<- struct{}) *projection.Projection {
	p, once := projection.New("stuck", nil), new(sync.Once)
	projection.On(p, func(ctx context.Context, _ projection.Event[sheet]) error {
		once.Do(func() { close(begun) })
		<-ctx.Done()
		return ctx.Err()
	})
	return p
}

func swift() *projection.Projection {
	p := projection.New("swift", nil)
	projection.On(p, func(context.Context, projection.Event[sheet]) error { return nil })
	return p
}

func TestAHandlerThatBlocksHoldsUpItsOwnProjectionOnlyAndEndsWithRun(t *testing.T) {
	each(t, 0, func(t *testing.T, s *eventstore.Store) {
		fill(t, s, folder("first"), 10, 10)
		begun := make(chan struct{})
		runner, err := projection.NewRunner(s, &projection.RunnerOptions{Grace: -1, Logger: slog.New(slog.DiscardHandler)}, stuck(begun), swift())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(soon(t))
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- runner.Run(ctx) }()
		<-begun
		if filepath.Base(t.Name()) != "SQLite" { // where the transaction that a handler runs in keeps everybody else from writing
			fill(t, s, folder("second"), 5000, 10)
			head, err := s.Head(t.Context())
			require.NoError(t, err)
			require.NoError(t, runner.WaitFor(soon(t), "swift", head))
		}
		cancel()
		require.NoError(t, <-ended)
		fill(t, s, folder("third"), 1, 10)
	})
}
