package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
)

// TestHammer has 24 writers append for a while, in all ways there are, while three readers follow the log, and a naive
// one for comparison.
func TestHammer(t *testing.T) {
	s := open(t, with(pgtest.DSN(t), "deadlock_timeout", "20ms"), &postgres.Options{MaxConns: 32})
	s.DB().MustExec(`CREATE TABLE other (n int)`)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	h := &hammer{s: s, committed: make(map[uuid.UUID]driver.StreamID)}

	writing, stop := context.WithTimeout(t.Context(), torture.Length(t, 5*time.Second))
	defer stop()
	var writers, readers sync.WaitGroup
	for i := range 24 {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		writers.Go(func() {
			for writing.Err() == nil {
				if err := h.write(t.Context(), rnd); err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
			}
		})
	}
	following := []*follower{
		{q: driver.AllQuery{Limit: 7, MaxBytes: 1 << 20}},
		{q: driver.AllQuery{Limit: 500, MaxBytes: 1 << 20, Types: []string{"type 1", "type 2"}}},
		{q: driver.AllQuery{Limit: 50, MaxBytes: 1000, StreamTypes: []string{"kind 0"}}},
	}
	for _, f := range following {
		readers.Go(func() { f.follow(t, s, &h.quiet) })
	}
	naive := make(map[uuid.UUID]bool)
	readers.Go(func() { followNaively(t, s, &h.quiet, naive) })
	writers.Wait()
	h.quiet.Store(true)
	readers.Wait()

	for _, f := range following {
		h.check(t, f)
	}
	t.Logf("%d events; the naive reader lost %d", len(h.committed), len(h.committed)-len(naive))
}

// hammer knows what was committed.
type hammer struct {
	s     *postgres.Store
	quiet atomic.Bool // no more writes

	mu        sync.Mutex
	committed map[uuid.UUID]driver.StreamID
}

// write makes one to three appends, at once or in a transaction, which it may roll back.
func (h *hammer) write(ctx context.Context, rnd *rand.Rand) error {
	var done []driver.Write
	appendSome := func(ctx context.Context) error {
		writes := h.some(rnd)
		_, err := commitAgain(ctx, h.s, writes...)
		done = append(done, writes...)
		return err
	}
	var err error
	if rnd.IntN(3) > 0 {
		err = appendSome(ctx)
	} else {
		err = sqltx.In(ctx, h.s.DB(), func(ctx context.Context) error { return h.inTransaction(ctx, rnd, appendSome) })
	}
	switch {
	case errors.Is(err, errRollback), errors.Is(err, driver.ErrRace):
		return nil
	case err != nil:
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range done {
		for _, e := range w.Events {
			h.committed[e.ID] = w.Stream
		}
	}
	return nil
}

func (h *hammer) inTransaction(ctx context.Context, rnd *rand.Rand, appendSome func(context.Context) error) error {
	tx, _ := sqltx.From(ctx)
	if rnd.IntN(2) == 0 { // it has its transaction id long before it appends
		if _, err := tx.ExecContext(ctx, `INSERT INTO other VALUES (1)`); err != nil {
			return err
		}
	}
	for range 1 + rnd.IntN(3) {
		if _, err := tx.ExecContext(ctx, fmt.Sprintf(`SELECT pg_sleep(%f)`, rnd.Float64()/200)); err != nil {
			return err
		}
		if err := appendSome(ctx); err != nil {
			return err
		}
	}
	if rnd.IntN(4) == 0 {
		return errRollback
	}
	return nil
}

// some returns writes to one or two of many streams, with one to five events each.
func (h *hammer) some(rnd *rand.Rand) []driver.Write {
	streams := rnd.Perm(120)[:1+rnd.IntN(2)]
	var writes []driver.Write
	for _, n := range streams {
		stream := driver.StreamID{Type: fmt.Sprintf("kind %d", n%3), ID: fmt.Sprint(n)}
		w := appends(stream, driver.Any, 1+rnd.IntN(5))
		for i := range w.Events {
			w.Events[i].Type = fmt.Sprintf("type %d", rnd.IntN(4))
		}
		writes = append(writes, w)
	}
	return writes
}

// follower reads the log page by page.
type follower struct {
	q   driver.AllQuery
	got []driver.Record
}

// follow reads until it has come to the head after the last write.
func (f *follower) follow(t *testing.T, s *postgres.Store, quiet *atomic.Bool) {
	for {
		last := quiet.Load()
		page, err := s.ReadAll(t.Context(), f.q)
		if err != nil {
			t.Errorf("read the log: %v", err)
			return
		}
		f.got = append(f.got, page.Records...)
		f.q.After = page.Next
		if last && page.Next >= page.Head && len(page.Records) < f.q.Limit {
			return
		}
	}
}

func followNaively(t *testing.T, s *postgres.Store, quiet *atomic.Bool, got map[uuid.UUID]bool) {
	last := int64(0)
	for {
		end := quiet.Load()
		rows, err := s.DB().QueryContext(t.Context(),
			`SELECT id, global_position FROM tidemark.events WHERE global_position > $1 ORDER BY global_position LIMIT 500`, last)
		if err != nil {
			t.Errorf("read naively: %v", err)
			return
		}
		n := 0
		for ; rows.Next(); n++ {
			var id uuid.UUID
			if err := rows.Scan(&id, &last); err != nil {
				t.Error(err)
			}
			got[id] = true
		}
		if rows.Close(); end && n == 0 {
			return
		}
	}
}

// check requires that a reader was handed each committed event that it selects, once, in order.
func (h *hammer) check(t *testing.T, f *follower) {
	t.Helper()
	want := make(map[uuid.UUID]bool)
	for _, r := range readAll(t, t.Context(), h.s, 0).Records {
		require.Equal(t, h.committed[r.ID], r.Stream, "stored, but not committed")
		if (len(f.q.Types) == 0 || slices.Contains(f.q.Types, r.Type)) &&
			(len(f.q.StreamTypes) == 0 || slices.Contains(f.q.StreamTypes, r.Stream.Type)) {
			want[r.ID] = true
		}
	}
	require.Equal(t, len(h.committed), len(readAll(t, t.Context(), h.s, 0).Records), "committed, but not stored")
	last, versions := int64(0), make(map[driver.StreamID]int64)
	for _, r := range f.got {
		require.True(t, want[r.ID], "an event that the reader does not select, or has had before")
		delete(want, r.ID)
		require.Greater(t, r.Position, last)
		require.Greater(t, r.Version, versions[r.Stream])
		last, versions[r.Stream] = r.Position, r.Version
	}
	require.Empty(t, want, "lost by the reader of %+v", f.q)
}
