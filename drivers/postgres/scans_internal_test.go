package postgres

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// database has scans take as long as a test says, and answers with how many have begun.
type database struct {
	scans
	begun  atomic.Int64
	answer chan error
}

func (d *database) find(ctx context.Context) (int64, error) {
	n := d.begun.Add(1)
	select {
	case err := <-d.answer:
		return n, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// asked is a call of read.
type asked struct {
	done chan struct{}
	mark int64
	err  error
}

func (d *database) ask(ctx context.Context) *asked {
	a := &asked{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.mark, a.err = d.read(ctx, d.find)
	}()
	synctest.Wait()
	return a
}

func (a *asked) is(t *testing.T, mark int64, err error) {
	t.Helper()
	synctest.Wait()
	<-a.done
	require.ErrorIs(t, a.err, err)
	require.Equal(t, mark, a.mark)
}

func (a *asked) waits(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case <-a.done:
		require.Fail(t, "it has returned", "%d, %v", a.mark, a.err)
	default:
	}
}

func TestReadersShareScans(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, d *database){
		"one after the other, each makes its own": func(t *testing.T, d *database) {
			for n := range int64(3) {
				a := d.ask(t.Context())
				d.answer <- nil
				a.is(t, n+1, nil)
			}
		},
		"a scan that runs already is of no use to who asks later, and all who do share the next": func(t *testing.T, d *database) {
			first := d.ask(t.Context())
			second, third, fourth := d.ask(t.Context()), d.ask(t.Context()), d.ask(t.Context())
			d.answer <- nil
			first.is(t, 1, nil)
			second.waits(t)
			d.answer <- nil
			for _, a := range []*asked{second, third, fourth} {
				a.is(t, 2, nil)
			}
			require.EqualValues(t, 2, d.begun.Load())
		},
		"an error reaches all who share the scan": func(t *testing.T, d *database) {
			broken := errors.New("broken")
			first, second, third := d.ask(t.Context()), d.ask(t.Context()), d.ask(t.Context())
			d.answer <- nil
			d.answer <- broken
			first.is(t, 1, nil)
			second.is(t, 2, broken)
			third.is(t, 2, broken)
		},
		"who leads a scan and is called off fails nobody else": func(t *testing.T, d *database) {
			ctx, cancel := context.WithCancel(t.Context())
			first, second, third := d.ask(t.Context()), d.ask(ctx), d.ask(t.Context())
			d.answer <- nil
			first.is(t, 1, nil)
			third.waits(t)
			cancel()
			second.is(t, 0, context.Canceled)
			d.answer <- nil
			third.is(t, 3, nil)
		},
		"who is called off while waiting to lead fails nobody else": func(t *testing.T, d *database) {
			ctx, cancel := context.WithCancel(t.Context())
			first, second, third := d.ask(t.Context()), d.ask(ctx), d.ask(t.Context())
			cancel()
			second.is(t, 0, context.Canceled)
			d.answer <- nil
			first.is(t, 1, nil)
			d.answer <- nil
			third.is(t, 2, nil)
		},
		"who waits and is called off returns at once": func(t *testing.T, d *database) {
			ctx, cancel := context.WithCancel(t.Context())
			first, second, third := d.ask(t.Context()), d.ask(t.Context()), d.ask(ctx)
			cancel()
			third.is(t, 0, context.Canceled)
			d.answer <- nil
			d.answer <- nil
			first.is(t, 1, nil)
			second.is(t, 2, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, &database{answer: make(chan error)}) })
		})
	}
}

// A server that does not answer keeps a scan from ending even after its leader has gone.
func TestAScanThatHangsHoldsUpNobodyOnceItsLeaderIsCalledOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{answer: make(chan error)}
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan struct{})
		go func() {
			_, _ = d.read(ctx, func(context.Context) (int64, error) {
				<-answered
				return 0, nil
			})
		}()
		synctest.Wait()
		second, third := d.ask(t.Context()), d.ask(t.Context())
		second.waits(t)
		cancel()
		d.answer <- nil
		second.is(t, 1, nil)
		third.is(t, 1, nil)
		close(answered)
	})
}

func TestAScanBeginsAfterEveryCallThatItAnswers(t *testing.T) {
	t.Parallel()
	var s scans
	var clock atomic.Int64
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for range 500 {
				called := clock.Add(1)
				began, err := s.read(t.Context(), func(context.Context) (int64, error) { return clock.Add(1), nil })
				if err != nil || began <= called {
					t.Errorf("called at %d, answered by a scan that began at %d, error %v", called, began, err)
				}
			}
		})
	}
	readers.Wait()
}
