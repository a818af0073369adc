package projection

import (
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// stride is how many pages go into one transaction. Each transaction costs a sync to disk, so a projection that is behind
// takes more pages at a time, as long as its handlers get through them so quickly that nobody has to wait for it.
type stride struct {
	most  int
	pages int
	limit int // stored events that a handler of OnBatch gets through before its time is up; 0 for as many as there are
}

// size returns how many stored events go into the next transaction, of a projection with batches of so many.
func (s *stride) size(batch int) int {
	if s.limit > 0 {
		return min(s.limit, batch)
	}
	return s.pages * batch
}

const (
	maxStride   = 8
	quickStride = 20 * time.Millisecond  // a transaction that takes less may be twice as large
	slowStride  = 100 * time.Millisecond // one that takes more is to be smaller
	maxWeight   = 4 << 20                // bytes of payload, after which no page is added
)

// mostPages is one where more is not wanted, or would have to be done again after a crash or an error.
func (f *feed) mostPages(p *Projection) int {
	if p.opts.BatchSize == 0 && len(p.batches) == 0 && !f.recipe.effects && f.store.Transactional() {
		return maxStride
	}
	return 1
}

// took takes note of how long a transaction took, after which there is more to read or not.
func (s *stride) took(d time.Duration, behind bool) {
	switch {
	case d > slowStride:
		s.pages = max(s.pages/2, 1)
	case behind && d < quickStride:
		s.pages = min(2*s.pages, s.most)
	}
}

// called takes note of how long a handler of OnBatch took for so many stored events. It can't be asked to end early, so it
// gets fewer the next time, and more again when that is quick.
func (s *stride) called(d, limit time.Duration, events int) {
	switch {
	case d > limit:
		s.limit = max(events/2, 1)
	case s.limit > 0 && d < limit/4 && events >= s.limit:
		s.limit *= 2
	}
}

// fill adds pages that were read ahead to the first of a batch.
func (w *worker) fill(page eventstore.Page) eventstore.Page {
	for n := 1; n < w.stride.pages && len(page.Events) > 0 && weight(page.Events) < maxWeight; n++ {
		next, ok := w.ahead.take(page.Next, 0)
		if !ok {
			break
		}
		page = join(page, next)
	}
	return page
}

func weight(events []eventstore.Event) (bytes int) {
	for i := range events {
		bytes += len(events[i].Raw)
	}
	return bytes
}
