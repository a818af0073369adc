package drivertest

import (
	"context"
	"fmt"
	"math"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// stateClauses are about what is kept beside the events: snapshots, checkpoints, leases, dead letters, keys, tables.
func stateClauses() []clause {
	return []clause{s6(), tailReads(), checkpoints(), leases(), deadLetters(), keyStore(), migrations()}
}

func checkpoints() clause {
	needs := []need{checkpointer}
	return clause{id: "Checkpointer", text: "SaveCheckpoint moves a projection's position to the given one, forward or back. It " +
		"returns ErrCheckpointMoved and changes nothing unless the stored position is from: of two runners that handle the " +
		"same events only one commits.",
		cases: []testCase{
			{name: "a position moves forward and back", needs: needs, run: checkpointMoves},
			{name: "a position that is elsewhere is not moved", needs: needs, run: checkpointElsewhere},
			{name: "one of many movers wins", needs: needs, run: oneMoverWins},
			{name: "each name has its own", needs: needs, run: checkpointPerName},
		}}
}

func (h *handle) moveCheckpoint(ctx context.Context, name string, from, to int64) error {
	drv := h.drv.(driver.Checkpointer)
	return retryRace(ctx, func() error { return drv.SaveCheckpoint(ctx, name, from, to, someTime) })
}

// checkpointIs ends the case unless a projection is at this position.
func (h *handle) checkpointIs(name string, want int64) {
	got, err := h.drv.(driver.Checkpointer).LoadCheckpoint(h.p.ctx, name)
	h.p.ok(err, "load checkpoint %q", name)
	h.p.equal(want, got, "checkpoint %q", name)
}

func checkpointMoves(p *probe) {
	p.checkpointIs("a", 0)
	from := int64(0)
	for _, to := range []int64{1, 1, 7, 3, 0, 0, 9, math.MaxInt64, 2} {
		p.ok(p.moveCheckpoint(p.ctx, "a", from, to), "move a checkpoint from %d to %d", from, to)
		p.checkpointIs("a", to)
		from = to
	}
}

func checkpointElsewhere(p *probe) {
	p.is(p.moveCheckpoint(p.ctx, "a", 1, 2), driver.ErrCheckpointMoved, "move a checkpoint that is at 0 from 1 to 2")
	p.checkpointIs("a", 0)
	p.ok(p.moveCheckpoint(p.ctx, "a", 0, 5), "move a checkpoint from 0 to 5")
	for _, from := range []int64{0, 4, 6} {
		for _, to := range []int64{0, 5, 6, 7} {
			p.is(p.moveCheckpoint(p.ctx, "a", from, to), driver.ErrCheckpointMoved,
				"move a checkpoint that is at 5 from %d to %d", from, to)
			p.checkpointIs("a", 5)
		}
	}
}

func oneMoverWins(p *probe) {
	handles := p.handlePair()
	for round := range int64(10) {
		outcomes := make([]error, racers)
		p.together(racers, func(ctx context.Context, i int) error {
			outcomes[i] = handles[i%2].moveCheckpoint(ctx, "a", round, round+1)
			return nil
		})
		won := 0
		for _, err := range outcomes {
			if err == nil {
				won++
			} else {
				p.is(err, driver.ErrCheckpointMoved, "move a checkpoint that another one moves at the same time")
			}
		}
		p.equal(1, won, "movers that succeeded, of %d that moved a checkpoint from %d to %d", racers, round, round+1)
		p.checkpointIs("a", round+1)
	}
}

func checkpointPerName(p *probe) {
	for i, name := range oddTexts() {
		p.checkpointIs(name, 0)
		p.ok(p.moveCheckpoint(p.ctx, name, 0, int64(i+1)), "move checkpoint %q", name)
	}
	for i, name := range oddTexts() {
		p.checkpointIs(name, int64(i+1))
	}
}

func migrations() clause {
	return clause{id: "Migrator", text: "Migrate creates or updates the tables. It may be called again, and by several " +
		"processes at once.",
		cases: []testCase{
			{name: "called again on a database with events", needs: []need{migrator}, run: migrateAgain},
		}}
}

func migrateAgain(p *probe) {
	p.append(named("a"), driver.NoStream, events(3)...)
	before, handles := p.log(), p.handlePair()
	p.together(racers, func(ctx context.Context, i int) error {
		if err := handles[i%2].drv.(driver.Migrator).Migrate(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		return nil
	})
	p.sameRecords(before, p.log(), "the log after migrating again, compared with before")
	p.append(named("a"), 3, events(1)...)
}
