package repository

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Update loads the aggregate, or makes a new one if nothing is stored, has decide call commands on it, saves it, and
// returns it as it was saved. If decide records nothing, nothing is written.
//
// An error of decide is returned as it is, at once, and nothing is written. After a conflict Update loads again and calls
// decide again, on the state that won, up to Options.Retries times, and gives the last conflict back in the end. So
// decide may run several times: it must do nothing but decide. A lost connection is tried again too, without deciding
// anew where the events may have been stored already.
//
// Inside a transaction nothing is tried again: it would see the same state again. Retry the whole transaction.
func (r *Repository[A]) Update(ctx context.Context, id string, decide func(A) error) (A, error) {
	var a, none A
	tries := r.newTries(ctx, id)
	for {
		err := tries.connected(ctx, func() (err error) { a, err = r.load(ctx, id); return err })
		if err != nil {
			return none, err
		}
		if err := decide(a); err != nil {
			return none, err
		}
		err = tries.connected(ctx, func() error { return r.Save(ctx, a) })
		if err == nil {
			return a, nil
		}
		if !errors.Is(err, eventstore.ErrConflict) {
			return none, err
		}
		if err := tries.again(ctx, err); err != nil {
			return none, err
		}
	}
}

// tries counts and spaces what one Update tries.
type tries struct {
	stream    eventstore.StreamID
	made      int
	left      int
	nextDelay time.Duration
}

// maxBackoff is where the doubling of Options.Backoff ends.
const maxBackoff = time.Second

func (r *Repository[A]) newTries(ctx context.Context, id string) *tries {
	t := &tries{stream: r.Stream(id), left: r.opts.Retries, nextDelay: r.opts.Backoff}
	if r.store.InTransaction(ctx) {
		t.left = 0
	}
	return t
}

// connected calls f until it has an answer. A conflict is one: only a new decision can help.
func (t *tries) connected(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || errors.Is(err, eventstore.ErrConflict) || !eventstore.Retryable(err) {
			return err
		}
		if err := t.again(ctx, err); err != nil {
			return err
		}
	}
}

// again waits before another try, or returns the error to give up with. Both what failed and why it ends are found in it.
func (t *tries) again(ctx context.Context, failed error) error {
	t.made++
	if t.left <= 0 && t.made == 1 {
		return failed
	}
	if t.left <= 0 {
		return fmt.Errorf("repository: update of %q: gave up after %d tries: %w", t.stream, t.made, failed)
	}
	t.left--
	// Of the longest Backoff that there is, the sum is negative.
	timer := time.NewTimer(rand.N(max(t.nextDelay, t.nextDelay+1)))
	defer timer.Stop()
	t.nextDelay = max(t.nextDelay, min(2*t.nextDelay, maxBackoff))
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("repository: update of %q: %w before try %d, after: %w", t.stream, ctx.Err(), t.made+1, failed)
	}
}
