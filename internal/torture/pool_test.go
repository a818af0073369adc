package torture_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Whoever takes a connection while he holds one will, some time, wait for one who waits for his.
func TestTwoHundredCallersShareTwoConnections(t *testing.T) {
	const callers, rounds = 200, 5
	each(t, 2, func(t *testing.T, s *eventstore.Store) {
		ctx := soon(t)
		var all sync.WaitGroup
		errs := make(chan error, callers)
		for i := range callers {
			all.Go(func() {
				for range rounds {
					if err := useAll(ctx, s, i); err != nil {
						errs <- fmt.Errorf("caller %d: %w", i, err)
						return
					}
				}
			})
		}
		all.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		n := 0
		for _, err := range s.All(ctx, 0, nil) {
			require.NoError(t, err)
			n++
		}
		require.Positive(t, n)
		require.Zero(t, n%(callers*rounds), "%d callers made %d rounds and stored %d events", callers, rounds, n)
	})
}

// useAll calls everything that needs a connection, also from within a loop and a transaction.
func useAll(ctx context.Context, s *eventstore.Store, i int) error {
	own, shared := folder(fmt.Sprint(i)), folder(fmt.Sprint("shared ", i%3))
	if _, err := s.AppendAll(ctx, eventstore.Write{Stream: own, Expected: eventstore.Any, Events: eventstore.Events(filed{N: i})},
		eventstore.Write{Stream: shared, Expected: eventstore.Any, Events: eventstore.Events(filed{N: i})}); err != nil {
		return err
	}
	for e, err := range s.Stream(ctx, own, &eventstore.StreamOptions{Backward: true, Limit: 1}) {
		if err != nil {
			return err
		}
		if _, err := s.Append(ctx, own, eventstore.Exactly(e.Version), eventstore.Events(filed{N: i})...); err != nil {
			return err
		}
	}
	if _, err := s.ReadAll(ctx, 0, &eventstore.ReadOptions{Limit: 10}); err != nil {
		return err
	}
	return orNone(s.Transact(ctx, func(ctx context.Context) error {
		if _, err := s.Append(ctx, own, eventstore.StreamExists, eventstore.Events(filed{N: i})...); err != nil {
			return err
		}
		for _, err := range s.Stream(ctx, own, nil) {
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// orNone takes a driver without transactions for one with nothing to do.
func orNone(err error) error {
	if errors.Is(err, eventstore.ErrNotSupported) {
		return nil
	}
	return err
}
