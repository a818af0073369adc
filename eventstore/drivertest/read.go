package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// readClauses is section R of the contract.
func readClauses() []clause {
	return []clause{r1(), r2(), r3(), r4(), r5(), r6()}
}

func r1() clause {
	return clause{id: "R1", text: "From, to, limit and backward, each at its borders, across page borders and after the end.",
		cases: []testCase{
			{name: "every combination on a short stream", run: everyCombination},
			{name: "a page ends with the record that fills MaxBytes", run: pageEndsAtMaxBytes},
			{name: "across page borders", run: acrossPages},
		}}
}

func everyCombination(p *probe) {
	const n = 4
	p.append(named("other"), driver.NoStream, events(2)...)
	p.append(named("a"), driver.NoStream, events(n)...)
	p.append(named("other"), driver.Any, events(2)...)
	all := p.stream(named("a"))
	for query := range queries(n) {
		query.Stream = named("a")
		page, err := p.drv.ReadStream(p.ctx, query)
		p.ok(err, "read %s", describe(query))
		p.sameRecords(selected(all, query), page, "read %s", describe(query))
	}
}

// queries yields queries with each parameter from below a stream of n events to beyond it.
func queries(n int) func(yield func(driver.StreamQuery) bool) {
	return func(yield func(driver.StreamQuery) bool) {
		for i := range (n + 2) * (n + 3) * (n + 2) * 2 {
			q := driver.StreamQuery{MaxBytes: manyBytes, Backward: i%2 == 1}
			i /= 2
			q.From, i = int64(i%(n+2)+1), i/(n+2)
			q.To, i = int64(i%(n+3)), i/(n+3)
			q.Limit = i + 1
			if !yield(q) {
				return
			}
		}
	}
}

// selected is what a page holds, said in the simplest way.
func selected(all []driver.Record, q driver.StreamQuery) []driver.Record {
	var page []driver.Record
	for _, r := range all {
		if r.Version >= q.From && (r.Version <= q.To || q.To == 0) {
			page = append(page, r)
		}
	}
	if q.Backward {
		slices.Reverse(page)
	}
	for i := range page {
		if i+1 == q.Limit || size(page[:i+1]) >= q.MaxBytes {
			return page[:i+1]
		}
	}
	return page
}

func describe(q driver.StreamQuery) string {
	text := fmt.Sprintf("from %d, to %d, limit %d%s", q.From, q.To, q.Limit, describeBytes(q.MaxBytes))
	if q.Backward {
		return text + ", backward"
	}
	return text
}

// describeBytes leaves out a MaxBytes that cuts nothing.
func describeBytes(maxBytes int) string {
	if maxBytes == manyBytes {
		return ""
	}
	return fmt.Sprintf(", MaxBytes %d", maxBytes)
}

func pageEndsAtMaxBytes(p *probe) {
	sizes := []int{5, 1, 7, 2, 2, 9, 3}
	list := events(len(sizes))
	total := 0
	for i, n := range sizes {
		list[i].Data, list[i].ContentType = bytes.Repeat([]byte("x"), n), "text/plain"
		list[i].Metadata, list[i].Tags = []byte(`{"counts": "not"}`), []string{"neither"}
		total += n
	}
	p.append(named("a"), driver.NoStream, list...)
	all := p.stream(named("a"))
	for maxBytes := 1; maxBytes <= total+1; maxBytes++ {
		for _, backward := range []bool{false, true} {
			q := driver.StreamQuery{Stream: named("a"), From: 1, Limit: plenty, MaxBytes: maxBytes, Backward: backward}
			page, err := p.drv.ReadStream(p.ctx, q)
			p.ok(err, "read %s", describe(q))
			p.sameRecords(selected(all, q), page, "read %s", describe(q))
		}
		page, err := readPage(p.ctx, p.drv, driver.AllQuery{Limit: plenty, MaxBytes: maxBytes})
		p.ok(err, "read the log, at most %d bytes", maxBytes)
		forward := driver.StreamQuery{From: 1, Limit: plenty, MaxBytes: maxBytes}
		p.sameRecords(selected(all, forward), page.Records, "read the log, at most %d bytes", maxBytes)
	}
}

// acrossPages reads a stream that is longer than the pages of the portable store.
func acrossPages(p *probe) {
	const n = 1300
	store, batch := p.portable(), notes(n)
	_, err := store.Append(p.ctx, named("a"), eventstore.NoStream, batch...)
	p.ok(err, "append %d events", n)
	for _, o := range []eventstore.StreamOptions{
		{}, {Backward: true}, {From: 512}, {From: 513, Backward: true}, {To: 512}, {To: 1024, Backward: true},
		{From: 2, To: 1025}, {From: 100, To: 1299, Backward: true}, {Limit: 512}, {Limit: 513, Backward: true},
		{From: 700, Limit: 1024}, {To: 1200, Limit: 1100, Backward: true}, {From: n}, {From: n + 1}, {From: n + 1, Backward: true},
	} {
		got, err := collect(store.Stream(p.ctx, named("a"), &o))
		p.ok(err, "read with %+v", o)
		p.equal(versionsOf(o, n), versions(got), "versions read with %+v", o)
		for _, e := range got {
			p.equal(batch[e.Version-1].ID, e.ID, "id of version %d, read with %+v", e.Version, o)
		}
	}
}

func versions(events []eventstore.Event) []int64 {
	var list []int64
	for _, e := range events {
		list = append(list, e.Version)
	}
	return list
}

// versionsOf is what the options select from a stream of n events.
func versionsOf(o eventstore.StreamOptions, n int64) []int64 {
	var list []int64
	for v := max(o.From, 1); v <= n && (v <= o.To || o.To == 0); v++ {
		list = append(list, v)
	}
	if o.Backward {
		slices.Reverse(list)
	}
	if o.Limit > 0 && o.Limit < len(list) {
		list = list[:o.Limit]
	}
	return list
}

func r2() clause {
	return clause{id: "R2", text: "A missing stream is an empty read for the driver, ErrStreamNotFound where the caller asked " +
		"for one that exists.",
		cases: []testCase{
			{name: "a missing stream is an empty page", run: missingIsEmpty},
			{name: "StreamExists on a missing stream is ErrStreamNotFound", run: missingIsNotFound},
		}}
}

func missingIsEmpty(p *probe) {
	for _, what := range []string{"an empty database", "a database with another stream"} {
		for query := range queries(1) {
			query.Stream = named("missing")
			page, err := p.drv.ReadStream(p.ctx, query)
			p.ok(err, "read a missing stream of %s, %s", what, describe(query))
			p.equal(0, len(page), "records of a missing stream of %s, read %s", what, describe(query))
		}
		p.append(named("other"), driver.Any, events(2)...)
	}
}

func missingIsNotFound(p *probe) {
	_, err := p.portable().Append(p.ctx, named("missing"), eventstore.StreamExists, notes(1)...)
	p.is(err, eventstore.ErrStreamNotFound, "append to a missing stream, expecting that it exists")
	p.is(err, eventstore.ErrConflict, "append to a missing stream, expecting that it exists")
	p.equal(0, len(p.stream(named("missing"))), "events of the missing stream")
}

func r6() clause {
	return clause{id: "R6", text: "A read that starts after an append returned sees that append (read your writes), in the same " +
		"process and in another.",
		cases: []testCase{
			{name: "through the same handle", run: func(p *probe) { readYourWrites(p, p.handle) }},
			{name: "through another handle", needs: []need{reopen}, run: func(p *probe) { readYourWrites(p, p.another()) }},
			{name: "many writers and readers at once", run: readYourWritesTogether},
		}}
}

func readYourWrites(p *probe, reader *handle) {
	f := newFollower()
	for version := int64(1); version <= 50; version++ {
		receipt := p.append(named("a"), driver.ExpectedVersion(version-1), events(1)...)
		p.equal(int(version), len(reader.stream(named("a"))), "events in the stream after append %d returned", version)
		head := reader.head()
		p.that(head >= receipt.Position, "the head is %d after an append returned whose position is %d", head, receipt.Position)
		p.ok(f.toHead(p.ctx, reader.drv), "read the log")
		p.equal(int(version), len(f.records), "events from the log after append %d returned", version)
	}
}

func readYourWritesTogether(p *probe) {
	handles := p.handlePair()
	p.together(racers, func(ctx context.Context, i int) error {
		stream, writer, reader := named("%d", i), handles[i%2], handles[i/2%2]
		for n := 1; n <= 20; n++ {
			if _, err := writer.commit(ctx, write(stream, driver.Any, events(1)...)); err != nil {
				return err
			}
			stored, err := reader.readStream(ctx, stream)
			if err != nil {
				return err
			}
			if len(stored) != n {
				return fmt.Errorf("after append %d to stream %q returned, a read finds %d events", n, stream, len(stored))
			}
		}
		return nil
	})
}
