package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore"
)

// request is what somebody asks for about a parked stream.
type request struct {
	ID       int    `json:"id"`
	Letters  string `json:"letters"`  // where the dead letter is
	Position int64  `json:"position"` // of the dead letter
	Drop     bool   `json:"drop,omitempty"`
}

func (r request) done() string { return fmt.Sprint(requestDone, r.ID) }

// open reports whether a request has not been carried out yet on a dead letter. Requests are carried out in their order, so
// the latest that was done in vain stands for all before it. A letter of an event that was dropped stays, and is done with.
func (r request) open(d eventstore.DeadLetter) bool {
	number, _ := strings.CutPrefix(d.Request, requestDone)
	last, _ := strconv.Atoi(number) // 0 if none was
	return !d.Skipped && r.Letters == d.Projection && r.Position == d.Position && r.ID > last
}

// errand is a parked stream whose events are being handled.
type errand struct {
	stream eventstore.StreamID
	drop   bool
	done   string // the dead letter's Request if it fails
	size   int    // how many events at a time; 0 for as many as usual
}

// next returns a parked stream that is to be gone on with.
func (p *parked) next(requests []request) (errand, bool) {
	for stream, d := range p.streams {
		if d.Request == requestRunning {
			return errand{stream: stream, done: requestDone}, true
		}
		for _, r := range requests {
			if r.open(d) {
				return errand{stream: stream, drop: r.Drop, done: r.done()}, true
			}
		}
	}
	return errand{}, false
}

// attend goes on with a parked stream, if that is asked for. It reports whether it did.
func (w *worker) attend(ctx, work context.Context) (bool, error) {
	if w.errand == nil {
		next, ok := w.parked.next(w.terms.requests)
		if !ok {
			return false, nil
		}
		w.errand = &next
	}
	done, err := w.unpark(ctx, work, w.errand)
	if err != nil {
		w.forget() // the position does not tell whether it was committed, the dead letter does
	}
	if done {
		w.errand = nil
	}
	return true, err
}

// unpark handles the next few events of a parked stream, and reports whether there is nothing left to do about it.
func (w *worker) unpark(ctx, work context.Context, e *errand) (done bool, err error) {
	d := w.parked.streams[e.stream]
	if e.drop {
		e.drop = false
		return w.dropParked(ctx, work, d)
	}
	batch, err := w.waitingEvents(ctx, d, e.size)
	if err != nil {
		return false, err
	}
	err = batch.damaged
	if err == nil || len(batch.events) > 0 {
		done, err = w.handleWaiting(work, d, batch)
	}
	var f *failure
	switch {
	case err == nil:
		e.size = 0
		return done, nil
	case !errors.As(err, &f):
		return false, err
	}
	var c caution
	if c.narrow(f) {
		e.size = c.limit
		return false, nil
	}
	return true, w.inVain(work, d, f, e.done)
}

// handleWaiting commits the handling of a parked stream's events, or of as many as there is time for, and moves its dead
// letter behind them. It reports whether that was the last one.
func (w *worker) handleWaiting(work context.Context, d eventstore.DeadLetter, b waiting) (done bool, err error) {
	t := newTurn(b.events)
	next := b.next
	err = w.cursor.commit(work, w.cursor.position, func(ctx context.Context) error {
		if err := w.apply(ctx, t); err != nil {
			return err
		}
		if t.done < len(b.events) {
			next = &b.events[t.done]
		}
		return w.moveLetter(ctx, d, next)
	})
	if err != nil {
		return false, w.blame(t, err)
	}
	w.parkAt(d, next)
	w.gauge.handled(w.cursor.position, t.done)
	return next == nil, nil
}

// dropParked gives up a parked event for good.
func (w *worker) dropParked(ctx, work context.Context, d eventstore.DeadLetter) (done bool, err error) {
	b, err := w.waitingEvents(ctx, eventstore.DeadLetter{Stream: d.Stream, Version: d.Version + 1}, 1)
	if err != nil {
		return false, err
	}
	next := b.first()
	dropped := d
	dropped.Skipped, dropped.Request = true, ""
	err = w.cursor.commit(work, w.cursor.position, func(ctx context.Context) error {
		if next != nil {
			if err := w.store.SaveDeadLetter(ctx, letterOf(d, next)); err != nil {
				return err
			}
		}
		return w.store.SaveDeadLetter(ctx, dropped)
	})
	if err != nil {
		return false, err
	}
	w.log.Warn("projection drops a parked event", "stream", d.Stream.String(), "version", d.Version, "position", d.Position)
	w.parkAt(d, next)
	return next == nil, nil
}

// moveLetter replaces a dead letter by one at the next event of its stream, if there is one. There is one letter at a
// position, so one that stays is not deleted.
func (w *worker) moveLetter(ctx context.Context, d eventstore.DeadLetter, next *eventstore.Event) error {
	if next != nil {
		if err := w.store.SaveDeadLetter(ctx, letterOf(d, next)); err != nil {
			return err
		}
		if next.Position == d.Position {
			return nil
		}
	}
	return w.store.DeleteDeadLetter(ctx, d.Projection, d.Position)
}

// letterOf returns the dead letter of an event that is next in line of a parked stream.
func letterOf(d eventstore.DeadLetter, next *eventstore.Event) eventstore.DeadLetter {
	d.Position, d.Version, d.Type, d.Request = next.Position, next.Version, next.Type, requestRunning
	d.Skipped = false
	return d
}

// parkAt takes note of where a stream that was parked by d is parked now; nowhere if next is nil.
func (w *worker) parkAt(d eventstore.DeadLetter, next *eventstore.Event) {
	if next != nil {
		w.parked.streams[d.Stream] = letterOf(d, next)
		return
	}
	delete(w.parked.streams, d.Stream)
	w.gauge.parked(len(w.parked.streams))
	w.log.Info("projection goes on with a parked stream", "stream", d.Stream.String())
}

// inVain parks a stream where it failed again.
func (w *worker) inVain(work context.Context, d eventstore.DeadLetter, f *failure, request string) error {
	d.Request, d.Error, d.Tries, d.LastAt = request, f.err.Error(), d.Tries+1, w.store.Now()
	err := w.cursor.commit(work, w.cursor.position, func(ctx context.Context) error { return w.store.SaveDeadLetter(ctx, d) })
	if err != nil {
		return err
	}
	w.parked.streams[d.Stream] = d
	w.gauge.failed(f)
	w.logFailure(slog.LevelWarn, f, "projection could not go on with a parked stream", "tries", d.Tries)
	return nil
}

// waiting is some events of a parked stream.
type waiting struct {
	events  []eventstore.Event
	next    *eventstore.Event // the one after them, if it is to be handled too
	damaged error             // a *failure if what stands behind them can't be decoded
}

func (b *waiting) first() *eventstore.Event {
	if len(b.events) > 0 {
		return &b.events[0]
	}
	return b.next
}

// passed returns the position up to which the events of a parked stream have been passed by: those behind it are handled
// as usual. That is the checkpoint, unless an earlier layout has come further with the stream.
func (w *worker) passed(stream eventstore.StreamID) int64 {
	return max(w.cursor.position, w.part.layout.done(hash(stream)))
}

// waitingEvents returns the first n stored events of a stream, 0 standing for as many as usual, from a dead letter up to
// the last one that was passed by.
func (w *worker) waitingEvents(ctx context.Context, d eventstore.DeadLetter, n int) (waiting, error) {
	if n == 0 {
		n = w.stride.size(w.opts.BatchSize)
	}
	var b waiting
	last := w.passed(d.Stream)
	for e, err := range w.store.Stream(ctx, d.Stream, &eventstore.StreamOptions{From: d.Version,
		Types: w.recipe.types}) {
		var damaged *eventstore.DecodeError
		switch {
		case errors.As(err, &damaged):
			f := undecodable(damaged)
			if e = f.suspects[0]; e.Position <= last {
				b.next, b.damaged = &e, f
			}
			return b, nil
		case err != nil:
			return b, err
		case e.Position > last:
			return b, nil
		case stored(append(b.events, e)) > n:
			b.next = &e
			return b, nil
		}
		b.events = append(b.events, e)
	}
	return b, nil
}
