package drivertest

import (
	"math"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// logClauses is section G of the contract.
func logClauses() []clause {
	return []clause{g1(), g2(), g3(), g4(), g5(), g6(), g7(), g8()}
}

func g1() clause {
	concurrent := []need{transactor, manyWriters}
	return clause{id: "G1", text: "Positions grow in every stream with versions; a position once handed out by ReadAll has " +
		"nothing new appear at or below it, ever, whatever the interleaving: several appends in one transaction, early " +
		"transaction ids, commits in any order, rollbacks, long transactions.",
		cases: []testCase{
			{name: "positions grow in the order of the writes and of their events", run: positionsInOrder},
			{name: "an early position that is committed late", needs: concurrent, run: earlyPositionLateCommit},
			{name: "an early transaction that appends late", needs: concurrent, run: earlyTransactionLateAppend},
			{name: "commits in reverse order", needs: concurrent, run: commitsReversed},
			{name: "two appends of a transaction around another's commit", needs: concurrent, run: appendsAround},
			{name: "the first events ever", needs: concurrent, run: firstEvents},
			{name: "a rollback between commits", needs: concurrent, run: rollbackBetween},
			{name: "readers that start over, while writers write", run: rereadWhileWriting},
			{name: "a transaction is not handed its own events", needs: []need{transactor}, run: ownEventsAreHidden},
		}}
}

func positionsInOrder(p *probe) {
	var want []driver.Event
	for range 3 {
		added := events(5)
		want = append(want, added...)
		receipts, err := p.commit(p.ctx, write(named("b"), driver.Any, added[:2]...), write(named("c"), driver.Any),
			write(named("a"), driver.Any, added[2:]...))
		p.ok(err, "commit to two streams")
		p.that(receipts[0].Position < receipts[2].Position, "the first write ended at position %d, the one after it at %d",
			receipts[0].Position, receipts[2].Position)
	}
	p.sameEvents(want, p.log(), "the log")
	for _, stream := range []driver.StreamID{named("a"), named("b")} {
		p.contiguous(p.stream(stream))
	}
	p.that(p.log()[0].Position >= 1, "the first position is %d, below 1", p.log()[0].Position)
}

func g5() clause {
	return clause{id: "G5", text: "Filtering by event type or stream type advances Next over what it filtered out; a filter by a " +
		"current name finds events stored under the names it was renamed from.",
		cases: []testCase{
			{name: "every filter, limit and start", run: everyFilter},
			{name: "names are compared byte by byte", run: filterNames},
			{name: "after the head, and no record at all", run: beyondTheHead},
		}}
}

// filterable is a log in which types and stream types are mixed.
func (p *probe) filterable() []driver.Record {
	for i, typ := range []string{"placed", "paid", "placed", "shipped", "paid", "paid", "sent", "placed"} {
		stream := driver.StreamID{Type: []string{"order", "cart", "order"}[i%3], ID: "1"}
		p.append(stream, driver.Any, event(typ))
	}
	return p.log()
}

func everyFilter(p *probe) {
	all := p.filterable()
	head := p.head()
	starts := []int64{0, head + 1}
	for _, r := range all {
		starts = append(starts, r.Position)
	}
	many := append(slices.Repeat([]string{"nothing of this name"}, 200), "sent", "shipped", "paid")
	for _, types := range [][]string{nil, {"placed"}, {"paid", "sent"}, {"shipped"}, {"missing"}, many} {
		for _, streamTypes := range [][]string{nil, {"order"}, {"cart", "missing"}, {"missing"}} {
			for _, limit := range []int{1, 3, len(all)} {
				for _, after := range starts {
					q := driver.AllQuery{After: after, Types: types, StreamTypes: streamTypes, Limit: limit, MaxBytes: manyBytes}
					p.filtered(all, head, q)
				}
			}
		}
	}
}

// filtered ends the case unless a query's page is what it should be.
func (p *probe) filtered(all []driver.Record, head int64, q driver.AllQuery) {
	what := "read after position %d, limit %d, types %.80q, stream types %q"
	args := []any{q.After, q.Limit, q.Types, q.StreamTypes}
	page, err := readPage(p.ctx, p.drv, q)
	p.ok(err, what, args...)
	want := filter(all, q)
	next := max(head, q.After)
	if len(want) >= q.Limit {
		want = want[:q.Limit]
		next = last(want).Position
	}
	p.sameRecords(want, page.Records, what, args...)
	p.equal(next, page.Next, what+": Next", args...)
}

// filter returns the records that a query is after, whatever the size of the page.
func filter(all []driver.Record, q driver.AllQuery) []driver.Record {
	var kept []driver.Record
	for _, r := range all {
		if r.Position > q.After && (len(q.Types) == 0 || slices.Contains(q.Types, r.Type)) &&
			(len(q.StreamTypes) == 0 || slices.Contains(q.StreamTypes, r.Stream.Type)) {
			kept = append(kept, r)
		}
	}
	return kept
}

func filterNames(p *probe) {
	for _, text := range oddTexts() {
		p.append(driver.StreamID{Type: text, ID: "1"}, driver.Any, event(text))
	}
	all := p.log()
	for _, text := range oddTexts() {
		for _, q := range []driver.AllQuery{{Types: []string{text}}, {StreamTypes: []string{text}}} {
			q.Limit, q.MaxBytes = plenty, manyBytes
			p.filtered(all, p.head(), q)
		}
	}
}

func beyondTheHead(p *probe) {
	p.emptyPage(driver.AllQuery{Limit: 10, MaxBytes: 1}, 0, 0)
	p.emptyPage(driver.AllQuery{MaxBytes: 1}, 0, 0)
	all := p.filterable()
	head, first := p.head(), all[0].Position
	p.that(head >= last(all).Position, "the head is %d, below the last event's position %d", head, last(all).Position)
	p.emptyPage(driver.AllQuery{After: head, Limit: 10, MaxBytes: 1}, head, head)
	p.emptyPage(driver.AllQuery{After: head + 1000, Limit: 10, MaxBytes: 1}, head+1000, head)
	p.emptyPage(driver.AllQuery{After: math.MaxInt64, Limit: 10, MaxBytes: 1}, math.MaxInt64, head)
	p.emptyPage(driver.AllQuery{After: first, MaxBytes: 1}, first, head)
}

func (p *probe) emptyPage(q driver.AllQuery, next, head int64) {
	page, err := readPage(p.ctx, p.drv, q)
	p.ok(err, "read after position %d, limit %d", q.After, q.Limit)
	want := driver.Page{Records: page.Records, Next: next, Head: head}
	p.equal(0, len(page.Records), "records after position %d, limit %d", q.After, q.Limit)
	p.equal(want, page, "page after position %d, limit %d", q.After, q.Limit)
}
