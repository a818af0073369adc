package eventstore

import (
	"cmp"
	"context"
	"time"
)

// look is a question for the tide mark. All readers that wait share it: ten thousand of them cost an idle database no
// more than one.
type look struct {
	at   time.Time
	done chan struct{} // closed when there is an answer
	head int64
	err  error
}

// wait returns nil when there may be more to read after a position: after a change, or when a look that is not older
// than the poll interval has found it. A context that has ended comes first: who gave it up wants no more.
func (t *tide) wait(ctx context.Context, changed <-chan struct{}, position int64) error {
	timer := time.NewTimer(t.interval())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
			return ctx.Err()
		case <-timer.C:
		}
		l := t.look(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
			return ctx.Err()
		case <-l.done:
		}
		switch {
		case ctx.Err() != nil, l.err != nil, l.head > position:
			return ctx.Err() // if the look failed, so will reading, and that says why
		}
		timer.Reset(time.Until(l.at.Add(t.interval())))
	}
}

// look returns somebody's look of the last poll interval, perhaps not yet answered, or else looks.
func (t *tide) look(ctx context.Context) *look {
	interval := t.interval()
	t.mu.Lock()
	if l := t.latest; l != nil && time.Since(l.at) < interval {
		t.mu.Unlock()
		return l
	}
	l := &look{at: time.Now(), done: make(chan struct{})}
	t.latest = l
	t.mu.Unlock()
	defer close(l.done)
	l.head, l.err = t.head(ctx)
	return l
}

func (t *tide) interval() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hearing() {
		return cmp.Or(t.poll, pollHearing)
	}
	return cmp.Or(t.poll, pollDeaf)
}
