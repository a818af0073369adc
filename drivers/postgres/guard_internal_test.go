package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// streamWith returns a stream whose coarse lock has this key.
func streamWith(key int32) driver.StreamID {
	for i := 0; ; i++ {
		stream := driver.StreamID{Type: "order", ID: fmt.Sprint(i)}
		if _, coarse := guardKeys(stream); coarse == key {
			return stream
		}
	}
}

// A lock that is taken in order is waited for with lower keys in hand only: so nobody waits in a circle.
func TestATransactionThatChecksAStreamTakesAllOfItsCoarseLocksInOrder(t *testing.T) {
	const low, high = 17, 42
	s, err := Open(t.Context(), pgtest.DSN(t), nil)
	require.NoError(t, err)
	defer s.Close()
	other, err := s.db.Connx(t.Context())
	require.NoError(t, err)
	defer other.Close()
	count := func(query string, args ...any) (n int) {
		require.NoError(t, other.GetContext(t.Context(), &n, query, args...))
		return n
	}
	const key = `('tidemark.events'::regclass::oid::integer, $1::integer)`
	require.Equal(t, 1, count(`SELECT count(pg_advisory_lock`+key+`::text)`, low))

	check := driver.Write{Stream: streamWith(high), Expected: driver.NoStream}
	write := some("", driver.Any, 1)
	write.Stream = streamWith(low)
	done := make(chan error, 1)
	go func() {
		done <- s.Transact(t.Context(), func(ctx context.Context) error {
			_, err := s.Commit(ctx, []driver.Write{check, write})
			return err
		})
	}()
	const locks = ourLocks + `objsubid = 2 AND objid::bigint = $1 AND granted = $2`
	require.Eventually(t, func() bool { return count(locks, low, false) == 1 }, time.Minute, time.Millisecond)
	require.Zero(t, count(locks, high, true), "the higher one is not held while the lower one is waited for")
	require.Equal(t, 1, count(`SELECT count(pg_advisory_unlock`+key+`::text)`, low))
	require.NoError(t, <-done)
}
