package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const (
	seedVariable = "DRIVERTEST_SEED"
	histories    = 20
	steps        = 60
)

// RunModel sends random histories through two drivers, the first of which is known to be right, and fails if any result
// differs. Each run takes other histories; the seed of one that failed is printed, and the environment variable
// DRIVERTEST_SEED repeats it. DRIVERTEST_PATIENCE, as 5s, bounds a history. What is left out since one of the drivers lacks
// it is logged: take a reference that has all that yours has.
func RunModel(t *testing.T, a, b Opener) {
	t.Helper()
	patience := patienceOf(t)
	var leftOut atomic.Value
	t.Cleanup(func() {
		if text, ok := leftOut.Load().(string); ok {
			t.Log(text)
		}
	})
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			lacking, err := compare(t.Context(), seed, a, b, patience)
			if lacking != "" {
				leftOut.Store(lacking)
			}
			if err != nil {
				t.Errorf("%v\nrepeat it with %s=%d", err, seedVariable, seed)
			}
		})
	}
}

func seeds(t *testing.T) []uint64 {
	if seed, ok := seedOf(t); ok {
		return []uint64{seed}
	}
	list := make([]uint64, histories)
	for i := range list {
		list[i] = rand.Uint64()
	}
	return list
}

// seedOf returns the seed that the environment asks for.
func seedOf(t *testing.T) (seed uint64, ok bool) {
	text := os.Getenv(seedVariable)
	if text == "" {
		return 0, false
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedVariable, err)
	}
	return seed, true
}

// Compare sends the random history of a seed through two drivers: appends of every expectation, retries, conflicts,
// duplicates, reads of streams and of the log, and, where both drivers have them, snapshots, checkpoints and
// transactions. It returns an error at the first result that is not the same. Positions need not be the same, but must
// stand in the same order.
func Compare(ctx context.Context, seed uint64, a, b Opener) error {
	_, err := compare(ctx, seed, a, b, defaultPatience)
	return err
}

// compare is Compare. It also says what it left out.
func compare(ctx context.Context, seed uint64, a, b Opener, patience time.Duration) (lacking string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	h := newHistory(seed)
	for i, open := range []Opener{a, b} {
		p, opening := newProbe(ctx, open, patience)
		if opening != nil {
			return "", opening
		}
		defer func() { err = errors.Join(err, p.close()) }()
		h.sides[i] = newSide(p)
	}
	for step := range steps {
		if err := h.step(ctx); err != nil {
			return h.lacking(), fmt.Errorf("seed %d, step %d of %d: %w", seed, step+1, steps, err)
		}
	}
	return h.lacking(), nil
}

// lacking says what is not compared, because one of the drivers does not have it.
func (h *history) lacking() string {
	var list []string
	for i, s := range h.sides {
		for _, n := range []need{snapshotter, checkpointer, transactor} {
			if !n.metBy(s.p.db) {
				list = append(list, fmt.Sprintf("driver %d of 2 has no %s", i+1, n))
			}
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "not compared: " + strings.Join(list, ", ")
}

// side is one of the two drivers, and what is known of its log.
type side struct {
	*handle
	snapshots   driver.Snapshotter // nil where the driver has none, as the next two
	checkpoints driver.Checkpointer
	transactor  driver.Transactor
	log         *follower
}

func newSide(p *probe) *side {
	s := &side{handle: p.handle, log: newFollower()}
	s.snapshots, _ = s.drv.(driver.Snapshotter)
	s.checkpoints, _ = s.drv.(driver.Checkpointer)
	s.transactor, _ = s.drv.(driver.Transactor)
	return s
}

// rank says how many events of the log stand at or below a position.
func (s *side) rank(position int64) int {
	n := 0
	for n < len(s.log.records) && s.log.records[n].Position <= position {
		n++
	}
	return n
}

// position is the inverse of rank. A rank that no event has stands for a position far beyond the head.
func (s *side) position(rank int) int64 {
	switch {
	case rank == 0:
		return 0
	case rank > len(s.log.records):
		return 1 << 40
	default:
		return s.log.records[rank-1].Position
	}
}

// version is a stream's, as far as its events are in the log.
func (s *side) version(stream driver.StreamID) int64 {
	return int64(countOf(stream, s.log.records))
}

// operation is a step of a history. What it returns is put into words after the log was read, so that new positions
// have their ranks.
type operation struct {
	text string
	run  func(ctx context.Context, s *side) (words func(s *side) string, err error)
}

// step makes up an operation, sends it through both drivers and compares what comes out, and the log after it.
func (h *history) step(ctx context.Context) error {
	op := h.operation()
	var results [2]string
	for i, s := range h.sides {
		words, err := op.run(ctx, s)
		known := len(s.log.records)
		if err == nil {
			err = s.log.toHead(ctx, s.drv)
		}
		if err != nil {
			return fmt.Errorf("%s: driver %d of 2: %w", op.text, i+1, err)
		}
		results[i] = words(s) + "\n" + describeAll("new in the log", s.log.records[known:])
	}
	if results[0] != results[1] {
		return fmt.Errorf("%s: the drivers differ\n--- first\n%s\n--- second\n%s", op.text, results[0], results[1])
	}
	return nil
}
