package drivertest_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

func TestCheck(t *testing.T) {
	only := func(names ...string) *drivertest.Options { return &drivertest.Options{Only: names} }
	noDatabase := errors.New("no database today")

	t.Run("returns nil for a sound driver", func(t *testing.T) {
		require.NoError(t, drivertest.Check(t.Context(), openMemory, only("A1", "G5", "S6/each stream has its own")))
	})
	t.Run("takes a case that is not applicable for passed", func(t *testing.T) {
		require.NoError(t, drivertest.Check(t.Context(), openMemory, only("T2", "G6/after a dump and restore")))
	})
	t.Run("refuses names that no clause and no case has", func(t *testing.T) {
		require.ErrorContains(t, drivertest.Check(t.Context(), openMemory, only("A1", "Z9")), `"Z9"`)
		require.ErrorContains(t, drivertest.Check(t.Context(), openMemory, only("A1/no such case")), `"A1/no such case"`)
	})
	t.Run("returns a failure for each case that failed", func(t *testing.T) {
		err := drivertest.Check(t.Context(), func(context.Context) (*drivertest.Database, error) { return nil, noDatabase }, only("A1"))
		require.ErrorIs(t, err, noDatabase)
		require.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), 3)
	})
	t.Run("names the clause, its text and the case", func(t *testing.T) {
		err := drivertest.Check(t.Context(), func(context.Context) (*drivertest.Database, error) { return nil, noDatabase }, only("G8"))
		require.EqualError(t, err, "G8: Catch-up and live are one stream: no event is lost or repeated at the switch.\n"+
			"\tsubscribers that come to the head again and again\n\tbut: open a database: no database today")
	})
	t.Run("turns a driver's panic into an error that tells where", func(t *testing.T) {
		f := flaw{spoil: func(b *broken) {
			b.commit = func(context.Context, []driver.Write) ([]driver.Receipt, error) { panic("no such thing") }
		}}
		err := drivertest.Check(t.Context(), f.open, only("A1/expectations on a missing stream"))
		require.ErrorContains(t, err, "panic: no such thing")
		require.ErrorContains(t, err, "check_test.go")
	})
	t.Run("reports what went wrong when it closed", func(t *testing.T) {
		err := drivertest.Check(t.Context(), func(context.Context) (*drivertest.Database, error) {
			return &drivertest.Database{Store: memory.New(), Remove: func() error { return noDatabase }}, nil
		}, only("A1/expectations on a missing stream"))
		require.ErrorIs(t, err, noDatabase)
	})
}

// stuck is a driver whose Close does not return until the test has ended.
type stuck struct {
	driver.Store
	ended <-chan struct{}
}

func (s stuck) Close() error {
	<-s.ended
	return nil
}

func TestCheckGivesUpOnWhatDoesNotReturn(t *testing.T) {
	one := &drivertest.Options{Only: []string{"A1/expectations on a missing stream"}, Patience: time.Second}
	t.Run("a handle's Close", func(t *testing.T) {
		removed := false
		err := drivertest.Check(t.Context(), func(context.Context) (*drivertest.Database, error) {
			return &drivertest.Database{Store: stuck{memory.New(), t.Context().Done()}, Remove: func() error {
				removed = true
				return nil
			}}, nil
		}, one)
		require.ErrorContains(t, err, "handle's Close has not returned after 1s")
		require.False(t, removed, "the database was removed though a handle is open")
	})
	t.Run("the Opener", func(t *testing.T) {
		err := drivertest.Check(t.Context(), func(context.Context) (*drivertest.Database, error) {
			return nil, stuck{ended: t.Context().Done()}.Close()
		}, one)
		require.ErrorContains(t, err, "open a database: the Opener has not returned after 1s")
	})
	t.Run("an Opener that ends its goroutine", func(t *testing.T) {
		err := drivertest.Check(t.Context(), func(context.Context) (*drivertest.Database, error) {
			runtime.Goexit()
			return nil, nil
		}, one)
		require.ErrorContains(t, err, "open a database: the Opener has ended its goroutine")
	})
	t.Run("the database's Remove", func(t *testing.T) {
		err := drivertest.Check(t.Context(), func(context.Context) (*drivertest.Database, error) {
			return &drivertest.Database{Store: memory.New(), Remove: stuck{ended: t.Context().Done()}.Close}, nil
		}, one)
		require.ErrorContains(t, err, "Database.Remove has not returned after 1s")
	})
}

func TestCompare(t *testing.T) {
	t.Run("says the same of the same seed", func(t *testing.T) {
		f := flawNamed(t, modelFlaws(), "reading backward starts at the head whatever To is")
		first := drivertest.Compare(t.Context(), 7, openToy, f.open)
		require.ErrorContains(t, first, "seed 7, step ")
		require.EqualError(t, drivertest.Compare(t.Context(), 7, openToy, f.open), first.Error())
	})
	t.Run("leaves out what one of the drivers can't do", func(t *testing.T) {
		require.NoError(t, drivertest.Compare(t.Context(), 7, openToy, func(context.Context) (*drivertest.Database, error) {
			return &drivertest.Database{Store: bare{memory.New()}}, nil
		}))
	})
}

// bare is a driver without capabilities.
type bare struct{ driver.Store }

func TestRunWithoutCapabilities(t *testing.T) {
	drivertest.Run(t, func(context.Context) (*drivertest.Database, error) {
		return &drivertest.Database{Store: bare{memory.New()}}, nil
	})
}
