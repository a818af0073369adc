package drivertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func tailReads() clause {
	needs := []need{tailReader, snapshotter}
	return clause{id: "TailReader", text: "ReadTail returns the snapshot of a stream, nil if there is none, and the first page " +
		"of the events after the snapshot's version, of all events if there is none; both as of one moment, which is no " +
		"earlier than the call. Of the query, Stream, Limit and MaxBytes count.",
		cases: []testCase{
			{name: "with a snapshot anywhere in the stream and without one", needs: needs, run: tailsOfAStream},
			{name: "whatever versions the query names", needs: needs, run: tailOfAnyQuery},
			{name: "a page is cut as any other", needs: needs, run: tailIsCut},
			{name: "while snapshots are saved", needs: needs, run: tailAmidSnapshots},
			{name: "inside a transaction", needs: append(needs, transactor), run: tailInTransaction},
			{name: "a context that has ended", needs: needs, run: endedFailsTail},
		}}
}

func tailOf(stream driver.StreamID) driver.StreamQuery {
	return driver.StreamQuery{Stream: stream, From: 1, Limit: plenty, MaxBytes: manyBytes}
}

// tailIs ends the case unless this is what ReadTail returns; snap is nil for none.
func (p *probe) tailIs(ctx context.Context, q driver.StreamQuery, snap *driver.Snapshot, page []driver.Record) {
	got, records, err := p.drv.(driver.TailReader).ReadTail(ctx, q)
	what := fmt.Sprintf("the tail of stream %q, %s", q.Stream, describe(q))
	p.ok(err, "read %s", what)
	p.that((got == nil) == (snap == nil), "read %s: is there a snapshot: want %v, got %v", what, snap != nil, got != nil)
	if snap != nil {
		p.ok(compareSnapshot(*snap, *got), "the snapshot with %s", what)
	}
	p.sameRecords(page, records, "%s", what)
}

func tailsOfAStream(p *probe) {
	const n = 5
	p.tailIs(p.ctx, tailOf(named("a")), nil, nil)
	for _, stream := range []driver.StreamID{named("a"), named("A")} {
		p.append(stream, driver.NoStream, events(n)...)
	}
	all := p.stream(named("a"))
	p.tailIs(p.ctx, tailOf(named("a")), nil, all)
	for version := int64(1); version <= n; version++ {
		snap := snapshot(named("a"), version)
		if version == 2 {
			snap.ContentType, snap.Data = "application/octet-stream", []byte{0, 0xff}
		}
		p.save(snap)
		p.tailIs(p.ctx, tailOf(named("a")), &snap, all[version:])
	}
	p.tailIs(p.ctx, tailOf(named("A")), nil, p.stream(named("A")))
}

// tailOfAnyQuery asks with what a reader of the stream would have in it, and must have no effect here.
func tailOfAnyQuery(p *probe) {
	const n = 5
	p.append(named("a"), driver.NoStream, events(n)...)
	all, snap := p.stream(named("a")), snapshot(named("a"), 3)
	ask := func(snap *driver.Snapshot, rest []driver.Record) {
		for _, q := range []driver.StreamQuery{{From: 2}, {From: 5}, {From: n + 1}, {From: 1, To: 2}, {From: 1, To: 4}, {From: 1, Backward: true},
			{From: 2, To: 4, Backward: true}} {
			q.Stream, q.Limit, q.MaxBytes = named("a"), plenty, manyBytes
			p.tailIs(p.ctx, q, snap, rest)
		}
	}
	ask(nil, all)
	p.save(snap)
	ask(&snap, all[snap.Version:])
}

// tailIsCut has the payloads grow, so that a driver which learns from their size does.
func tailIsCut(p *probe) {
	for size := 1; size <= 1<<16; size <<= 8 {
		stream := named("%d", size)
		list := events(4)
		for i := range list {
			list[i].Data, list[i].ContentType = make([]byte, size), "application/octet-stream"
			list[i].Metadata = []byte(`{"counts": "not"}`)
		}
		p.append(stream, driver.NoStream, list...)
		snap := snapshot(stream, 1)
		all := p.stream(stream)
		for _, saved := range []*driver.Snapshot{nil, &snap} {
			rest := all
			if saved != nil {
				p.save(*saved)
				rest = all[1:]
			}
			for cut := range rest {
				q := tailOf(stream)
				q.Limit = cut + 1
				p.tailIs(p.ctx, q, saved, rest[:cut+1])
				q.Limit, q.MaxBytes = plenty, cut*size+1
				p.tailIs(p.ctx, q, saved, rest[:cut+1])
			}
		}
	}
}

// tailAmidSnapshots has a writer append two events and save a snapshot of the first, over and over. While a tail is read,
// it is at the next two.
func tailAmidSnapshots(p *probe) {
	const rounds = 60
	written := make(chan int64)
	writer := p.start(func(ctx context.Context) error {
		defer close(written)
		for version := int64(1); version < 2*rounds; version += 2 {
			w := driver.Write{Stream: named("a"), Expected: driver.Any, Events: events(2)}
			_, err := p.handle.commit(ctx, w)
			err = errors.Join(err, p.drv.(driver.Snapshotter).SaveSnapshot(ctx, snapshot(named("a"), version)))
			if err != nil {
				return err
			}
			select {
			case written <- version:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for version := range written {
		snap, page, err := p.drv.(driver.TailReader).ReadTail(p.ctx, tailOf(named("a")))
		p.ok(err, "read a tail while snapshots are saved")
		p.that(snap != nil && snap.Version >= version, "the snapshot of version %d is not there", version)
		p.that(len(page) > 0, "no event follows the snapshot of version %d", snap.Version)
		for i, r := range page {
			p.equal(snap.Version+int64(i)+1, r.Version, "version of event %d after the snapshot of version %d", i+1, snap.Version)
		}
	}
	writer.wait("append and save snapshots")
}

func tailInTransaction(p *probe) {
	p.append(named("a"), driver.NoStream, events(2)...)
	tx := p.begin(p.handle)
	snap := snapshot(named("a"), 1)
	tx.do(func(ctx context.Context) {
		p.ok(p.drv.(driver.Snapshotter).SaveSnapshot(ctx, snap), "save a snapshot in a transaction")
	})
	tx.append(named("a"), 2, events(1)...)
	tx.do(func(ctx context.Context) {
		all, err := p.readStream(ctx, named("a"))
		p.ok(err, "read a stream in a transaction")
		p.equal(3, len(all), "events of the stream in the transaction that appends the last one")
		p.tailIs(ctx, tailOf(named("a")), &snap, all[1:])
	})
	tx.commit()
}

func endedFailsTail(p *probe) {
	p.append(named("a"), driver.NoStream, events(1)...)
	_, _, err := p.drv.(driver.TailReader).ReadTail(p.ended(), tailOf(named("a")))
	p.is(err, context.Canceled, "ReadTail with a context that has ended")
}
