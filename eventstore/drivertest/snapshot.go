package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func s6() clause {
	needs := []need{snapshotter}
	return clause{id: "S6", text: "An older snapshot never replaces a newer one. A snapshot of another schema version, unknown " +
		"type or damaged bytes is discarded and the stream replayed. A failed snapshot write never fails a Save that has committed.",
		cases: []testCase{
			{name: "an older snapshot does not replace a newer one", needs: needs, run: olderSnapshot},
			{name: "the newest of many that are saved at once stays", needs: needs, run: snapshotsAtOnce},
			{name: "a snapshot comes back as it went in, whatever it holds", needs: needs, run: snapshotsRoundtrip},
			{name: "each stream has its own", needs: needs, run: snapshotPerStream},
			{name: "slices are neither kept nor shared", needs: needs, run: snapshotSlices},
			{name: "a failure leaves the transaction usable", needs: []need{snapshotter, transactor}, run: failedSnapshot},
		}}
}

func snapshot(stream driver.StreamID, version int64) driver.Snapshot {
	return driver.Snapshot{Stream: stream, Version: version, Type: "state", Schema: 1, ContentType: "application/json",
		Data: fmt.Appendf(nil, `{"version": %d}`, version), RecordedAt: someTime}
}

func (h *handle) save(s driver.Snapshot) {
	h.p.ok(h.drv.(driver.Snapshotter).SaveSnapshot(h.p.ctx, s), "save a snapshot of version %d", s.Version)
}

// load returns a stream's snapshot and ends the case if that fails.
func (h *handle) load(stream driver.StreamID) (driver.Snapshot, bool) {
	s, ok, err := h.drv.(driver.Snapshotter).LoadSnapshot(h.p.ctx, stream)
	h.p.ok(err, "load the snapshot of stream %q", stream)
	return s, ok
}

func (h *handle) noSnapshot(stream driver.StreamID) {
	s, ok := h.load(stream)
	h.p.that(!ok, "stream %q has a snapshot of version %d: it should have none", stream, s.Version)
}

// snapshotIs ends the case unless this is the snapshot of its stream.
func (h *handle) snapshotIs(want driver.Snapshot) {
	got, ok := h.load(want.Stream)
	h.p.that(ok, "stream %q has no snapshot", want.Stream)
	h.p.ok(compareSnapshot(want, got), "snapshot of stream %q", want.Stream)
}

func compareSnapshot(want, got driver.Snapshot) error {
	switch {
	case want.Stream != got.Stream:
		return differ("stream", want.Stream, got.Stream)
	case want.Version != got.Version:
		return differ("version", want.Version, got.Version)
	case want.Type != got.Type:
		return differ("type", want.Type, got.Type)
	case want.Schema != got.Schema:
		return differ("schema", want.Schema, got.Schema)
	case want.ContentType != got.ContentType:
		return differ("content type", want.ContentType, got.ContentType)
	case !bytes.Equal(want.Data, got.Data):
		return differ("data", want.Data, got.Data)
	}
	return compareTime("time", want.RecordedAt, got.RecordedAt)
}

func olderSnapshot(p *probe) {
	p.noSnapshot(named("a"))
	newer := snapshot(named("a"), 5)
	p.save(newer)
	for _, version := range []int64{1, 4} {
		p.save(snapshot(named("a"), version))
		p.snapshotIs(newer)
	}
	same := snapshot(named("a"), 5)
	same.Schema, same.Data = 2, []byte(`{"again": true}`)
	p.save(same)
	p.snapshotIs(same)
	p.save(snapshot(named("a"), 6))
	p.snapshotIs(snapshot(named("a"), 6))
}

func snapshotsAtOnce(p *probe) {
	handles := p.handlePair()
	for round := range 5 {
		stream := named("%d", round)
		p.together(racers, func(ctx context.Context, i int) error {
			drv := handles[i%2].drv.(driver.Snapshotter)
			for n := range int64(5) {
				version := 1 + (int64(i)*7+n*3)%40
				if err := retryRace(ctx, func() error { return drv.SaveSnapshot(ctx, snapshot(stream, version)) }); err != nil {
					return err
				}
				s, _, err := drv.LoadSnapshot(ctx, stream)
				if err != nil {
					return err
				}
				if s.Version < version {
					return fmt.Errorf("after version %d was saved, the snapshot is of version %d", version, s.Version)
				}
			}
			return nil
		})
	}
}

// retryRace makes a call that lost a race again.
func retryRace(ctx context.Context, f func() error) error {
	for {
		if err := f(); !errors.Is(err, driver.ErrRace) || ctx.Err() != nil {
			return err
		}
	}
}

// snapshotsRoundtrip includes what the portable layer will discard: the driver has no opinion on it.
func snapshotsRoundtrip(p *probe) {
	variants := slices.Concat(jsonPayloads(), binaryPayloads(), contentTypes(), identities(), times())
	for i, e := range variants {
		s := driver.Snapshot{Stream: named("%d", i), Version: int64(i + 1), Type: e.Type, Schema: e.Schema,
			ContentType: e.ContentType, Data: e.Data, RecordedAt: e.RecordedAt}
		p.save(s)
		p.snapshotIs(s)
	}
}

func snapshotPerStream(p *probe) {
	streams := oddStreamIDs()
	for i, stream := range streams {
		p.noSnapshot(stream)
		p.save(snapshot(stream, int64(1+(i*7)%len(streams))))
	}
	for i, stream := range streams {
		p.snapshotIs(snapshot(stream, int64(1+(i*7)%len(streams))))
	}
}

func snapshotSlices(p *probe) {
	want, s := snapshot(named("a"), 1), snapshot(named("a"), 1)
	p.save(s)
	p.ok(compareSnapshot(want, s), "the caller's snapshot after SaveSnapshot")
	clear(s.Data)
	p.snapshotIs(want)
	loaded, _ := p.load(named("a"))
	clear(loaded.Data)
	p.snapshotIs(want)
}

// failedSnapshot saves what some databases refuse. Whether this one does is its own affair.
func failedSnapshot(p *probe) {
	tx := p.begin(p.handle)
	tx.append(named("a"), driver.NoStream, events(1)...)
	odd := snapshot(named("a"), 1)
	odd.Data = []byte(`{"not": JSON`)
	tx.do(func(ctx context.Context) { _ = p.drv.(driver.Snapshotter).SaveSnapshot(ctx, odd) })
	tx.append(named("a"), 1, events(1)...)
	tx.commit()
	p.equal(2, len(p.stream(named("a"))), "events of the transaction, one before and one after the snapshot")
}
