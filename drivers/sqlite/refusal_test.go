package sqlite_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// registers returns an append of events, all with the same address.
func registers(id, email string, expected driver.ExpectedVersion, n int) driver.Write {
	w := appends(order(id), expected, n)
	for i := range w.Events {
		w.Events[i].Data = []byte(`{"email":"` + email + `"}`)
	}
	return w
}

// uniqueEmails lets every address be registered once, as ada@x is already.
func uniqueEmails(t *testing.T, s *sqlite.Store) {
	s.DB().MustExec(`CREATE UNIQUE INDEX by_email ON events (event_data ->> '$.email')`)
	commit(t, t.Context(), s, registers("ada", "ada@x", driver.NoStream, 1))
}

func requireRefusedForGood(t *testing.T, err error) {
	t.Helper()
	require.ErrorContains(t, err, "UNIQUE constraint failed: index 'by_email'")
	require.False(t, eventstore.Retryable(err), err)
	require.NotErrorIs(t, err, driver.ErrRace)
}

func TestWhatAnIndexOfTheUsersRefusesIsNoRace(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		uniqueEmails(t, s)
		for name, w := range map[string]driver.Write{
			"one event at a known version": registers("new", "ada@x", driver.NoStream, 1),
			"one event at any version":     registers("new", "ada@x", driver.Any, 1),
			"many events":                  registers("new", "ann@x", driver.NoStream, 3),
		} {
			t.Run(name, func(t *testing.T) {
				_, err := s.Commit(t.Context(), []driver.Write{w})
				requireRefusedForGood(t, err)
				require.ErrorContains(t, err, "sqlite: append (")
				require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
					_, err := s.Commit(ctx, []driver.Write{w})
					requireRefusedForGood(t, err)
					return nil
				}))
				require.Empty(t, readStream(t, t.Context(), s, order("new")))
			})
		}
		t.Run("and a conflict is told all the same", func(t *testing.T) {
			_, err := s.Commit(t.Context(), []driver.Write{registers("ada", "ada@x", driver.NoStream, 1)})
			var conflict *driver.ConflictError
			require.ErrorAs(t, err, &conflict)
		})
	})
}

func TestWhatAnIndexOfTheUsersRefusesLeavesTheOthersOfABatchAlone(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		uniqueEmails(t, s)
		retry := registers("bob", "bob@x", driver.NoStream, 1)
		outcomes, err := s.CommitBatch(t.Context(), [][]driver.Write{
			{retry},
			{registers("new", "ada@x", driver.NoStream, 1)},
			{registers("new", "ann@x", driver.Any, 2)},
			{retry},
			{registers("eve", "eve@x", driver.NoStream, 1)},
		})
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Err)
		requireRefusedForGood(t, outcomes[1].Err)
		requireRefusedForGood(t, outcomes[2].Err)
		require.ErrorContains(t, outcomes[2].Err, "sqlite: append (", "as alone")
		var duplicate *driver.DuplicateError
		require.ErrorAs(t, outcomes[3].Err, &duplicate)
		require.NoError(t, outcomes[4].Err)
		require.Empty(t, readStream(t, t.Context(), s, order("new")))
		require.Len(t, readStream(t, t.Context(), s, order("bob")), 1)
		require.Len(t, readStream(t, t.Context(), s, order("eve")), 1)
	})
}

// RAISE(ROLLBACK) undoes all of the transaction, those before it in the batch as well.
func TestATriggerThatRollsBackLeavesTheOthersOfABatchAlone(t *testing.T) {
	each(t, nil, func(t *testing.T, s *sqlite.Store) {
		s.DB().MustExec(`CREATE TRIGGER users BEFORE INSERT ON events WHEN new.stream_id = 'secret' BEGIN
			SELECT RAISE(ROLLBACK, 'no secrets here'); END`)
		for _, n := range []int{1, 2} {
			var commits [][]driver.Write
			for _, id := range []string{"before", "secret", "after"} {
				commits = append(commits, []driver.Write{appends(order(id), driver.Any, 1), appends(order("2-"+id), driver.Any, n)}[:n])
			}
			outcomes, err := s.CommitBatch(t.Context(), commits)
			require.NoError(t, err)
			require.NoError(t, outcomes[0].Err)
			require.ErrorContains(t, outcomes[1].Err, "no secrets here")
			require.NotErrorIs(t, outcomes[1].Err, driver.ErrUnavailable)
			require.NoError(t, outcomes[2].Err)
			requireClean(t, s)
			require.Len(t, readStream(t, t.Context(), s, order("before")), n)
			require.Empty(t, readStream(t, t.Context(), s, order("secret")))
			require.Len(t, readStream(t, t.Context(), s, order("after")), n)
		}
	})
}
