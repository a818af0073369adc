package drivertest

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// batchClauses is section B of the contract, as far as it is the driver's.
func batchClauses() []clause {
	return []clause{b1(), b2(), b3()}
}

func b1() clause {
	return clause{id: "B1", text: "Under concurrency, appends share commits, and each caller gets its own outcome: in one batch " +
		"a conflict, a duplicate and a success stand side by side.",
		cases: []testCase{
			{name: "a batch of commits that have nothing in common", needs: []need{batcher}, run: independentBatch},
			{name: "as many commits and events as a batch may have", needs: []need{batcher}, run: largestBatch},
		}}
}

func b2() clause {
	return clause{id: "B2", text: "Two appends to one stream in one batch behave as if one came after the other.",
		cases: []testCase{
			{name: "a batch of commits to the same streams", needs: []need{batcher}, run: dependentBatch},
			{name: "the same events twice in a batch", needs: []need{batcher}, run: repeatedInBatch},
			{name: "the same events twice in a batch, with another expectation", needs: []need{batcher}, run: repeatedAndRefused},
		}}
}

func b3() clause {
	return clause{id: "B3", text: "An infrastructure failure reaches every caller of the batch; none is told success.",
		cases: []testCase{
			{name: "a context that has ended before the call", needs: []need{batcher}, run: batchAfterEnd},
		}}
}

// oracle says what each commit should come to, one after the other.
type oracle struct {
	*probe
	versions map[driver.StreamID]int64
	stored   map[uuid.UUID]bool
}

func (p *probe) newOracle() *oracle {
	o := &oracle{probe: p, versions: make(map[driver.StreamID]int64), stored: make(map[uuid.UUID]bool)}
	for _, r := range p.log() {
		o.versions[r.Stream], o.stored[r.ID] = r.Version, true
	}
	return o
}

// batch commits and checks every outcome; commits that lost a race are tried again.
func (o *oracle) batch(commits ...[]driver.Write) {
	for len(commits) > 0 {
		outcomes, err := o.drv.(driver.BatchCommitter).CommitBatch(o.ctx, commits)
		o.ok(err, "commit a batch of %d", len(commits))
		o.equal(len(commits), len(outcomes), "number of outcomes")
		var raced [][]driver.Write
		for i, outcome := range outcomes {
			if errors.Is(outcome.Err, driver.ErrRace) {
				raced = append(raced, commits[i])
			} else {
				o.judge(i+1, commits[i], outcome)
			}
		}
		commits = raced
	}
	o.equal(len(o.stored), len(o.log()), "events in the log")
}

func (o *oracle) judge(n int, commit []driver.Write, outcome driver.Outcome) {
	if duplicates := o.duplicates(commit); duplicates > 0 {
		var err *driver.DuplicateError
		o.that(errors.As(outcome.Err, &err), "commit %d: want a *driver.DuplicateError, got %s", n, brief(outcome.Err))
		o.equal(duplicates, len(err.Stored), "commit %d: number of records in the DuplicateError", n)
		return
	}
	for _, w := range commit {
		if actual := o.versions[w.Stream]; !w.Expected.Met(actual) {
			o.conflict(outcome.Err, w.Stream, actual, "commit %d", n)
			return
		}
	}
	o.ok(outcome.Err, "commit %d", n)
	o.apply(n, commit, outcome.Receipts)
}

func (o *oracle) duplicates(commit []driver.Write) int {
	n := 0
	for _, w := range commit {
		for _, e := range w.Events {
			if o.stored[e.ID] {
				n++
			}
		}
	}
	return n
}

func (o *oracle) apply(n int, commit []driver.Write, receipts []driver.Receipt) {
	o.equal(len(commit), len(receipts), "commit %d: number of receipts", n)
	for i, w := range commit {
		for _, e := range w.Events {
			o.stored[e.ID] = true
			o.versions[w.Stream]++
		}
		want := driver.Receipt{Version: o.versions[w.Stream]}
		if len(w.Events) > 0 {
			stored := o.stream(w.Stream)
			o.that(len(stored) >= int(want.Version), "commit %d: stream %q has %d events", n, w.Stream, len(stored))
			want.Position = stored[want.Version-1].Position
		}
		o.equal(want, receipts[i], "commit %d: receipt %d", n, i+1)
	}
}

func independentBatch(p *probe) {
	stored := events(2)
	p.append(named("stored"), driver.NoStream, stored...)
	o := p.newOracle()
	o.batch(
		[]driver.Write{write(named("a"), driver.NoStream, events(2)...)},
		[]driver.Write{write(named("conflict"), 7, events(1)...)},
		[]driver.Write{write(named("stored"), driver.NoStream, stored...)},
		[]driver.Write{write(named("b"), driver.Any, events(1)...), write(named("c"), driver.Any, events(2)...)},
		[]driver.Write{write(named("d"), driver.Any, events(1)...), write(named("e"), driver.StreamExists, events(1)...)},
		[]driver.Write{write(named("f"), driver.Any)},
		[]driver.Write{write(named("g"), driver.Any, events(3)...)},
	)
}

func largestBatch(p *probe) {
	limits := p.drv.(driver.BatchCommitter).Batching()
	p.that(min(limits.Direct, limits.Lanes, limits.MaxCommits, limits.MaxEvents) >= 1,
		"a number in Batching is below 1: %+v", limits)
	commits := make([][]driver.Write, min(limits.MaxCommits, limits.MaxEvents, plenty))
	each := min(limits.MaxEvents, plenty) / len(commits)
	for i := range commits {
		commits[i] = []driver.Write{write(named("%d", i), driver.NoStream, events(each)...)}
	}
	p.newOracle().batch(commits...)
}

func dependentBatch(p *probe) {
	p.append(named("a"), driver.NoStream, events(1)...)
	p.newOracle().batch(
		[]driver.Write{write(named("a"), 1, events(2)...)},
		[]driver.Write{write(named("a"), 1, events(1)...)},
		[]driver.Write{write(named("a"), 3, events(1)...)},
		[]driver.Write{write(named("b"), driver.NoStream, events(1)...), write(named("a"), 3, events(1)...)},
		[]driver.Write{write(named("b"), driver.NoStream, events(1)...), write(named("a"), driver.Any, events(1)...)},
		[]driver.Write{write(named("b"), driver.StreamExists)},
		[]driver.Write{write(named("a"), 5, events(1)...)},
		[]driver.Write{write(named("b"), driver.NoStream, events(1)...)},
	)
	p.contiguous(p.stream(named("a")))
}

func repeatedInBatch(p *probe) {
	one, two := events(2), events(2)
	p.newOracle().batch(
		[]driver.Write{write(named("a"), driver.Any, one...)},
		[]driver.Write{write(named("a"), driver.Any, one...)},
		[]driver.Write{write(named("b"), driver.Any, one[1])},
		[]driver.Write{write(named("a"), 7, two...)},
		[]driver.Write{write(named("a"), 2, two...)},
		[]driver.Write{write(named("c"), driver.Any, event("noted"), two[1])},
	)
}

// repeatedAndRefused holds a driver to its word that duplicates come first: the second of two commits of the same events
// is one, although by its expectation it is a conflict.
func repeatedAndRefused(p *probe) {
	one, two := events(1), events(1)
	p.newOracle().batch(
		[]driver.Write{write(named("a"), driver.Any, one...)},
		[]driver.Write{write(named("a"), 7, one...)},
		[]driver.Write{write(named("b"), driver.Any, two...)},
		[]driver.Write{write(named("c"), 7, two...)},
		[]driver.Write{write(named("d"), driver.Any, events(1)...)},
	)
}

func batchAfterEnd(p *probe) {
	commits := [][]driver.Write{{write(named("a"), driver.Any, events(1)...)}, {write(named("b"), driver.Any, events(1)...)}}
	outcomes, err := p.drv.(driver.BatchCommitter).CommitBatch(p.ended(), commits)
	if err != nil {
		p.is(err, context.Canceled, "commit a batch with a context that has ended")
	} else {
		for i, outcome := range outcomes {
			p.is(outcome.Err, context.Canceled, "outcome %d of a batch whose context has ended", i+1)
		}
	}
	p.equal(0, len(p.log()), "events stored by a batch whose context has ended")
}
