package torture_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
)

// blockade is a transaction that keeps everybody else from appending until it is lifted.
type blockade struct{ lift, lifted chan struct{} }

// block returns nil for a driver without transactions. readers are held up too, where the database can do that.
func block(t *testing.T, s *eventstore.Store) *blockade {
	t.Helper()
	b, held, failed := &blockade{make(chan struct{}), make(chan struct{})}, make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(b.lifted)
		failed <- s.Transact(t.Context(), func(ctx context.Context) error {
			tx, _ := sqltx.From(ctx)
			if tx.DriverName() == "postgres" {
				if _, err := tx.ExecContext(ctx, `LOCK TABLE tidemark.events IN ACCESS EXCLUSIVE MODE`); err != nil {
					return err
				}
			}
			close(held)
			<-b.lift
			return nil
		})
	}()
	select {
	case <-held:
		return b
	case err := <-failed:
		require.ErrorIs(t, err, eventstore.ErrNotSupported)
		return nil
	}
}

func (b *blockade) end() {
	close(b.lift)
	<-b.lifted
}

// There are more callers than the queue of appends has room for.
func TestAppendsThatPileUpEndWithTheirContextAndTheOthersAreStored(t *testing.T) {
	const callers = 6000
	each(t, 4, func(t *testing.T, s *eventstore.Store) {
		b := block(t, s)
		if b == nil {
			t.Skip("no transaction can hold this driver up")
		}
		goroutines := runtime.NumGoroutine()
		hasty, giveUp := context.WithCancel(soon(t))
		defer giveUp()
		patient := soon(t)
		var givenUp, served sync.WaitGroup
		errs, ids := make([]error, callers), make([]uuid.UUID, callers)
		for i := range callers {
			ctx, group := hasty, &givenUp
			if i%2 == 1 {
				ctx, group = patient, &served
			}
			ids[i] = s.NewID()
			group.Go(func() {
				e := eventstore.NewEvent{ID: ids[i], Payload: filed{N: i}}
				_, errs[i] = s.Append(ctx, folder(fmt.Sprint(i%100)), eventstore.Any, e)
			})
		}
		require.Eventually(t, func() bool { return runtime.NumGoroutine() >= goroutines+callers }, patience, time.Millisecond)
		giveUp()
		givenUp.Wait() // while the others still can't get through
		b.end()
		served.Wait()

		stored := make(map[uuid.UUID]int)
		for e, err := range s.All(t.Context(), 0, nil) {
			require.NoError(t, err)
			stored[e.ID]++
		}
		for i := range callers {
			if i%2 == 1 {
				require.NoError(t, errs[i])
				require.Equal(t, 1, stored[ids[i]], "times that an acknowledged event is stored")
			} else {
				require.ErrorIs(t, errs[i], context.Canceled)
				require.LessOrEqual(t, stored[ids[i]], 1)
			}
		}
	})
}

func TestEveryCallEndsWithItsContextWhileTheDatabaseIsHeldUp(t *testing.T) {
	calls := map[string]func(ctx context.Context, s *eventstore.Store) error{
		"Append": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.Append(ctx, folder("a"), eventstore.Any, eventstore.Events(filed{N: 1})...)
			return err
		},
		"AppendAll": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.AppendAll(ctx, eventstore.Write{Stream: folder("a"), Expected: eventstore.Any},
				eventstore.Write{Stream: folder("b"), Expected: eventstore.Any, Events: eventstore.Events(filed{N: 1})})
			return err
		},
		"Transact": func(ctx context.Context, s *eventstore.Store) error {
			return s.Transact(ctx, func(ctx context.Context) error {
				_, err := s.Append(ctx, folder("a"), eventstore.Any, eventstore.Events(filed{N: 1})...)
				return err
			})
		},
		"Stream": func(ctx context.Context, s *eventstore.Store) error {
			for _, err := range s.Stream(ctx, folder("first"), nil) {
				if err != nil {
					return err
				}
			}
			return errEnough
		},
		"ReadAll": func(ctx context.Context, s *eventstore.Store) error {
			if _, err := s.ReadAll(ctx, 0, nil); err != nil {
				return err
			}
			return errEnough
		},
		"Subscribe": func(ctx context.Context, s *eventstore.Store) error {
			for _, err := range s.Subscribe(ctx, 0, nil) {
				if err != nil {
					return err
				}
			}
			return errEnough
		},
	}
	each(t, 0, func(t *testing.T, s *eventstore.Store) {
		fill(t, s, folder("first"), 1, 10)
		b := block(t, s)
		if b == nil {
			t.Skip("no transaction can hold this driver up")
		}
		defer b.end()
		for name, call := range calls {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			err := call(ctx, s)
			cancel()
			if !errors.Is(err, errEnough) { // which says that nothing held it up
				require.ErrorIs(t, err, context.DeadlineExceeded, name)
			}
		}
	})
}
