package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func TestOneOfEightRacersWins300Times(t *testing.T) {
	s := fresh(t)
	for round := range 300 {
		var won, lost atomic.Int32
		together(8, func(int) {
			_, err := commitAgain(t.Context(), s, appends(order("a"), driver.ExpectedVersion(round), 1))
			var conflict *driver.ConflictError
			switch {
			case err == nil:
				won.Add(1)
			case errors.As(err, &conflict) && conflict.Actual == int64(round)+1 && conflict.Stream == order("a"):
				lost.Add(1)
			default:
				t.Errorf("round %d: %v", round, err)
			}
		})
		require.Equal(t, []int32{1, 7}, []int32{won.Load(), lost.Load()}, "winners and losers of round %d", round)
	}
	require.Len(t, readStream(t, t.Context(), s, order("a")), 300)
}

func TestAppendsToDistinctStreamsDontRace(t *testing.T) {
	s := fresh(t)
	together(16, func(i int) {
		for n := range 50 {
			if _, err := commitHeld(t.Context(), s, appends(order(fmt.Sprint(i, n)), driver.NoStream, 1+n%3)); err != nil {
				t.Error(err)
			}
		}
	})
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 16*50*2-16)
}

func TestAppendersToAHotStreamGetThrough(t *testing.T) {
	s := fresh(t)
	var tries atomic.Int64
	const writers, each = 16, 20
	together(writers, func(int) {
		for range each {
			w := []driver.Write{appends(order("hot"), driver.Any, 1)}
			for {
				tries.Add(1)
				_, err := s.Commit(t.Context(), w)
				if err == nil {
					break
				}
				if !errors.Is(err, driver.ErrRace) {
					t.Error(err)
					return
				}
				w[0].Contended = true
			}
		}
	})
	require.Len(t, readStream(t, t.Context(), s, order("hot")), writers*each)
	t.Logf("%.2f tries an append", float64(tries.Load())/(writers*each))
	require.Less(t, tries.Load(), int64(3*writers*each), "the second try of an append should hardly ever fail")
}

// Each of two writers checks the other's stream and writes to its own: never both.
func TestACheckWithoutEventsIsGuarded(t *testing.T) {
	t.Run("against another one's check", func(t *testing.T) {
		s := fresh(t)
		for round := range 50 {
			names := []driver.StreamID{order(fmt.Sprint("a", round)), order(fmt.Sprint("b", round))}
			var won atomic.Int32
			together(2, func(i int) {
				_, err := commitAgain(t.Context(), s, driver.Write{Stream: names[i], Expected: driver.NoStream},
					appends(names[1-i], driver.NoStream, 1))
				var conflict *driver.ConflictError
				if err == nil {
					won.Add(1)
				} else if !errors.As(err, &conflict) {
					t.Error(err)
				}
			})
			require.EqualValues(t, 1, won.Load(), "round %d", round)
		}
	})
	for name, writes := range map[string]int{"an append": 1, "an append to very many streams": 100} {
		t.Run("in a transaction, against "+name, func(t *testing.T) {
			s := fresh(t)
			tx := begin(t, s)
			tx.do(func(ctx context.Context) {
				commit(t, ctx, s, driver.Write{Stream: order("checked 0"), Expected: driver.NoStream}, appends(order("b"), driver.Any, 1))
			})
			done := make(chan error, 1)
			go func() {
				var list []driver.Write
				for i := range writes {
					list = append(list, appends(order(fmt.Sprintf("checked %d", i)), driver.Any, 1))
				}
				_, err := commitAgain(t.Context(), s, list...)
				done <- err
			}()
			waiting := func() bool {
				return get[int](t, s.DB(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 1
			}
			eventually(t, waiting, "the append waits for the check's transaction")
			tx.commits()
			require.NoError(t, <-done)
		})
	}
	t.Run("and keeps nobody from other streams", func(t *testing.T) {
		s := fresh(t)
		tx := begin(t, s)
		tx.do(func(ctx context.Context) {
			commit(t, ctx, s, driver.Write{Stream: order("checked"), Expected: driver.NoStream}, appends(order("b"), driver.Any, 1))
		})
		for i := range 20 {
			commit(t, t.Context(), s, appends(order(fmt.Sprint(i)), driver.Any, 1))
		}
		tx.commits()
	})
}

func TestWhatAnIndexOfTheUsersRefusesIsNoLostRace(t *testing.T) {
	s := fresh(t)
	s.DB().MustExec(`CREATE UNIQUE INDEX ON tidemark.events ((event_data ->> 'email')) WHERE event_type = 'registered'`)
	registered := func(stream string) driver.Write {
		w := appends(order(stream), driver.NoStream, 1)
		w.Events[0].Type, w.Events[0].Data = "registered", []byte(`{"email": "ada@example.org"}`)
		return w
	}
	commit(t, t.Context(), s, registered("a"))
	_, err := s.Commit(t.Context(), []driver.Write{registered("b")})
	require.ErrorContains(t, err, "events_expr_idx")
	require.NotErrorIs(t, err, driver.ErrRace)
	outcomes, err := s.CommitBatch(t.Context(), [][]driver.Write{{registered("c")}, {appends(order("d"), driver.NoStream, 1)}})
	require.NoError(t, err)
	require.NotErrorIs(t, outcomes[0].Err, driver.ErrRace)
	require.ErrorContains(t, outcomes[0].Err, "events_expr_idx")
	require.NoError(t, outcomes[1].Err)
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 2)
}

// Two transactions append to the same two streams in opposite order: one of them loses, and can try again.
func TestADeadlockIsALostRace(t *testing.T) {
	s := open(t, with(pgtest.DSN(t), "deadlock_timeout", "20ms"), &postgres.Options{})
	one, two := begin(t, s), begin(t, s)
	one.commit(s, appends(order("a"), driver.Any, 1))
	two.commit(s, appends(order("b"), driver.Any, 1))
	type outcome struct {
		tx  *held
		err error
	}
	outcomes := make(chan outcome, 2)
	for tx, stream := range map[*held]string{one: "b", two: "a"} {
		tx.steps <- func() {
			_, err := s.Commit(tx.ctx, []driver.Write{appends(order(stream), driver.Any, 1)})
			outcomes <- outcome{tx, err}
		}
	}
	loser := <-outcomes
	require.ErrorIs(t, loser.err, driver.ErrDoomed)
	loser.tx.rollsBack()
	winner := <-outcomes
	require.NoError(t, winner.err)
	winner.tx.commits()
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 2)
}

// Each of two transactions appends to the stream that the other has read: the later one can't have seen the log as it is.
func TestASerializationFailureDoomsTheTransaction(t *testing.T) {
	s := fresh(t)
	one, two := begin(t, s), begin(t, s)
	for tx, stream := range map[*held]string{one: "a", two: "b"} {
		tx.exec(`SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`)
		tx.do(func(ctx context.Context) { require.Empty(t, readStream(t, ctx, s, order(stream))) })
	}
	one.commit(s, appends(order("b"), driver.Any, 1))
	two.commit(s, appends(order("a"), driver.Any, 1))
	one.commits()
	var first, second error
	two.do(func(ctx context.Context) {
		_, first = s.Commit(ctx, []driver.Write{appends(order("c"), driver.Any, 1)})
		_, second = s.Commit(ctx, []driver.Write{appends(order("d"), driver.Any, 1)})
	})
	two.rollsBack()
	var coded interface{ SQLState() string }
	require.ErrorAs(t, first, &coded)
	require.Equal(t, "40001", coded.SQLState())
	for _, err := range []error{first, second} {
		require.ErrorIs(t, err, driver.ErrDoomed)
		requireRetryable(t, err)
	}
}
