package eventstore

import (
	"context"
	"iter"
)

// Subscribe iterates over the global log from after position after, and at its head waits for more until ctx ends:
// catching up and following are one iteration, in which no event is lost or repeated. A commit of the same process
// wakes it at once, one of another process as soon as the driver hears of it, and at the latest the poll interval does.
// The context's end is handed out as the last item's error. Errors and the loop's body are treated as in Stream; after
// an error, continue from the last position.
func (s *Store) Subscribe(ctx context.Context, after int64, opts *ReadOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r, err := s.reader(after, opts)
		if err == nil {
			err = r.follow(ctx, yield)
		}
		if err != nil {
			yield(Event{}, err)
		}
	}
}

func (r *logReader) follow(ctx context.Context, yield func(Event, error) bool) error {
	defer r.store.tide.listen()()
	for {
		changed := r.store.tide.next() // before reading, so that a commit in between is not missed
		if more, err := r.toHead(ctx, yield); err != nil || !more {
			return err
		}
		if err := r.store.tide.wait(ctx, changed, r.q.After); err != nil {
			return err
		}
	}
}

// Wait returns nil as soon as the tide mark has passed position after, or the context's error. It is what a reader
// does who works with ReadAll and has come to the head.
func (s *Store) Wait(ctx context.Context, after int64) error {
	defer s.tide.listen()()
	for {
		changed := s.tide.next()
		if head, err := s.Head(ctx); err != nil || head > after {
			return err
		}
		if err := s.tide.wait(ctx, changed, after); err != nil {
			return err
		}
	}
}
