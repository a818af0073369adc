package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tidemark-go/tidemark/eventstore"
)

// An event that is parked has a dead letter, which says where its stream has come to a halt. The later events of the stream
// have none: the owner of the partition knows which streams are parked and passes their events by, at no cost. Retry
// reads the stream itself, from the dead letter up to the checkpoint; what comes after that is handled as usual.

// letters is what the dead letters of a version of a projection are stored under.
func letters(projection string, version int) string {
	if version == 1 {
		return projection
	}
	return fmt.Sprintf("%s@v%d", projection, version)
}

// The Request of a dead letter, which only the owner of its partition writes.
const (
	requestRunning = "running" // its stream is being handled
	requestDone    = "done "   // and the number of the request that was carried out last, in vain
)

// parked is which streams of a partition are parked.
type parked struct {
	loaded  bool
	streams map[eventstore.StreamID]eventstore.DeadLetter
}

// letterPage is how many dead letters are read at a time.
const letterPage = 500

// load finds out once which streams are parked. A stream is parked at the latest of its letters: an earlier one was left
// behind by an owner that could not delete it after it had moved on, on a driver without transactions.
func (p *parked) load(ctx context.Context, w *worker) error {
	if p.loaded {
		return nil
	}
	streams := map[eventstore.StreamID]eventstore.DeadLetter{}
	var behind []eventstore.DeadLetter
	err := eachLetter(ctx, w.store, letters(w.name, w.part.layout.Version), func(d eventstore.DeadLetter) {
		if d.Skipped || !w.part.owns(d.Stream) {
			return
		}
		if earlier, ok := streams[d.Stream]; ok {
			behind = append(behind, earlier)
		}
		streams[d.Stream] = d
	})
	if err != nil && !errors.Is(err, eventstore.ErrNotSupported) {
		return err
	}
	for _, d := range behind {
		if err := w.store.DeleteDeadLetter(ctx, d.Projection, d.Position); err != nil {
			return err
		}
	}
	p.loaded, p.streams = true, streams
	w.gauge.parked(len(streams))
	return nil
}

// eachLetter calls f with every dead letter that is stored under a name.
func eachLetter(ctx context.Context, store *eventstore.Store, name string, f func(d eventstore.DeadLetter)) error {
	for after := int64(0); ; {
		page, err := store.DeadLetters(ctx, name, after, letterPage)
		if err != nil {
			return err
		}
		for _, d := range page {
			f(d)
			after = d.Position
		}
		if len(page) < letterPage {
			return nil
		}
	}
}

// except returns a test for events that takes accepts, nil standing for all of them, and whose stream is not parked.
func (p *parked) except(takes func(eventstore.StreamID, int64) bool) func(eventstore.StreamID, int64) bool {
	if len(p.streams) == 0 {
		return takes
	}
	return func(stream eventstore.StreamID, position int64) bool {
		_, waits := p.streams[stream]
		return !waits && (takes == nil || takes(stream, position))
	}
}

// setAside leaves out the event that failed, for good or for now, and moves on behind it.
func (w *worker) setAside(work context.Context, f *failure, then Action) error {
	e := &f.suspects[0]
	d := eventstore.DeadLetter{Projection: letters(w.name, w.part.layout.Version), Position: e.Position, Stream: e.Stream,
		Version: e.Version, Type: e.Type, Skipped: then == Skip, Error: f.err.Error(), Tries: w.caution.tries}
	err := w.cursor.commit(work, e.Position, func(ctx context.Context) error { return w.store.SaveDeadLetter(ctx, d) })
	if err != nil {
		return err
	}
	w.gauge.failed(f)
	message := "projection leaves an event out"
	if then == Park {
		w.parked.streams[e.Stream] = d
		w.gauge.parked(len(w.parked.streams))
		message = "projection parks a stream"
	}
	w.logFailure(slog.LevelError, f, message, "tries", d.Tries)
	w.caution.passed(e.Position)
	w.gauge.handled(e.Position, 0)
	return nil
}
