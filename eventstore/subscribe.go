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

// Wait returns nil as soon as there may be more in the log than what a page of ReadAll or Pages has come to, or the context's
// error, which comes first if both are so. It is what a reader does who works with pages and has come to the head. What was
// committed while the page was read, or between that and the call, counts.
func (s *Store) Wait(ctx context.Context, page Page) error {
	if page.Next < page.Head {
		return ctx.Err()
	}
	defer s.tide.listen()()
	return s.tide.wait(ctx, page.changed, page.Next)
}
