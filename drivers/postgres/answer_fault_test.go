package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// The connection is lost after a commit and before its answer. lib/pq lets database/sql try again by itself, pgx does
// not: either way it is stored once, and whoever tries again is told so.
func TestTheAnswerToACommitIsLost(t *testing.T) {
	eachClient(t, func(t *testing.T, p *fault.Proxy, s *postgres.Store) {
		commit(t, t.Context(), s, appends(order("known"), driver.NoStream, 3))
		for name, writes := range map[string][]driver.Write{
			"one event at a version":    {appends(order("lost-1"), driver.NoStream, 1)},
			"one event at any version":  {appends(order("lost-2"), driver.Any, 1)},
			"one event that contends":   {contended(appends(order("lost-3"), driver.Any, 1))},
			"many events":               {appends(order("lost-4"), driver.NoStream, 50)},
			"several streams":           {appends(order("lost-5"), driver.NoStream, 2), appends(order("lost-6"), driver.Any, 1)},
			"a stream and a mere check": {appends(order("lost-7"), driver.NoStream, 2), {Stream: order("known"), Expected: 3}},
		} {
			t.Run(name, func(t *testing.T) {
				cut := p.CutAfter(writes[0].Stream.ID)
				_, err := s.Commit(t.Context(), writes)
				happens(t, cut, "the cut")
				if !isDuplicate(err) {
					require.ErrorIs(t, err, driver.ErrUnavailable)
				}
				err = insist(func() error { _, err := s.Commit(t.Context(), writes); return err })
				require.True(t, isDuplicate(err), "a second try is told that it is one: %v", err)
				for _, w := range writes[:len(writes)-1] {
					require.Len(t, readStream(t, t.Context(), s, w.Stream), len(w.Events))
				}
			})
		}
		requireSound(t, s)
	})
}

func contended(w driver.Write) driver.Write {
	w.Contended = true
	return w
}

func isDuplicate(err error) bool {
	var duplicate *driver.DuplicateError
	return errors.As(err, &duplicate)
}

// requireSound checks that the log holds every event of every stream once.
func requireSound(t *testing.T, s *postgres.Store) {
	t.Helper()
	versions := make(map[driver.StreamID]int64)
	for _, r := range readAll(t, t.Context(), s, 0).Records {
		require.Equal(t, versions[r.Stream]+1, r.Version, "in the log, after the last version of %s", r.Stream)
		versions[r.Stream] = r.Version
	}
	for stream, n := range versions {
		require.Len(t, readStream(t, t.Context(), s, stream), int(n))
	}
}

func TestAnAppendWhoseAnswerIsLostAnswersTheNextTryWithItsReceipt(t *testing.T) {
	eachClient(t, func(t *testing.T, p *fault.Proxy, s *postgres.Store) {
		store := portable(t, s)
		t.Run("an append", func(t *testing.T) {
			cut := p.CutAfter("alone")
			events := []eventstore.NewEvent{note("a"), note("b")}
			receipt, err := insistOn(t, store, order("alone"), events)
			require.NoError(t, err)
			happens(t, cut, "the cut")
			require.Equal(t, eventstore.Receipt{Stream: order("alone"), Version: 2, Position: receipt.Position, Duplicate: true}, receipt)
			require.Len(t, readStream(t, t.Context(), s, order("alone")), 2)
		})
		t.Run("an append that is made once more, as by the client of a service", func(t *testing.T) {
			event := note("a")
			first, err := store.Append(t.Context(), order("again"), eventstore.NoStream, event)
			require.NoError(t, err)
			cut := p.CutBefore("again")
			second, err := insistOn(t, store, order("again"), []eventstore.NewEvent{event})
			require.NoError(t, err)
			happens(t, cut, "the cut")
			first.Duplicate = true
			require.Equal(t, first, second)
		})
	})
}

func insistOn(t *testing.T, store *eventstore.Store, stream eventstore.StreamID, events []eventstore.NewEvent) (receipt eventstore.Receipt, err error) {
	t.Helper()
	err = insist(func() (err error) {
		receipt, err = store.Append(t.Context(), stream, eventstore.Any, events...)
		return err
	})
	return receipt, err
}

func TestACommitIsLostOnItsWay(t *testing.T) {
	eachClient(t, func(t *testing.T, p *fault.Proxy, s *postgres.Store) {
		w := appends(order("way"), driver.NoStream, 2)
		cut := p.CutBefore("way")
		var receipts []driver.Receipt
		require.NoError(t, insist(func() (err error) {
			receipts, err = s.Commit(t.Context(), []driver.Write{w})
			return err
		}))
		happens(t, cut, "the cut")
		require.Equal(t, int64(2), receipts[0].Version)
		requireSound(t, s)
	})
}

func TestTheAnswerToATransactionsCommitIsLost(t *testing.T) {
	eachClient(t, func(t *testing.T, p *fault.Proxy, s *postgres.Store) {
		s.DB().MustExec(`CREATE TABLE total (stream text PRIMARY KEY)`)
		store := portable(t, s)
		event := note("a")
		var receipt eventstore.Receipt
		do := func(ctx context.Context) (err error) {
			if receipt, err = store.Append(ctx, order("tx"), eventstore.NoStream, event); err != nil {
				return err
			}
			tx, _ := sqltx.From(ctx)
			_, err = tx.ExecContext(ctx, `INSERT INTO total VALUES ('tx') ON CONFLICT DO NOTHING`)
			return err
		}
		cut := p.CutAfter("INSERT INTO total")
		err := s.Transact(t.Context(), do)
		happens(t, cut, "the cut")
		requireRetryable(t, err)
		require.ErrorIs(t, err, driver.ErrUnavailable)
		require.NoError(t, insist(func() error { return s.Transact(t.Context(), do) }))
		require.True(t, receipt.Duplicate, "the second try is told that the first was done")
		require.Len(t, readStream(t, t.Context(), s, order("tx")), 1)
	})
}

// In is what most transactions are begun with. On a pool of the caller's own, after New, it can't tell.
func TestSqltxInSaysThatTheConnectionWasLost(t *testing.T) {
	t.Parallel()
	p := fault.Start(t, pgtest.DSN(t))
	s := open(t, p.DSN(), nil)
	err := sqltx.In(t.Context(), s.DB(), func(ctx context.Context) error {
		commit(t, ctx, s, appends(order("in"), driver.NoStream, 1))
		p.Cut()
		return nil
	})
	requireRetryable(t, err)
	require.ErrorContains(t, err, "sqltx: commit: postgres: ")
	p.Refuse()
	err = sqltx.In(t.Context(), s.DB(), func(context.Context) error { return nil })
	requireRetryable(t, err)
	require.ErrorContains(t, err, "sqltx: begin: postgres: ")
	p.Heal()
	require.Empty(t, readAll(t, t.Context(), s, 0).Records)
}
