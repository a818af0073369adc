package projection

import (
	"context"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// cursor is where a partition stands in the log, and its checkpoint. The checkpoint follows every batch of events in
// the same transaction, and lags behind where only other projections' events passed by.
type cursor struct {
	store    *eventstore.Store
	keep     keeper
	interval time.Duration // Options.CheckpointInterval
	start    int64         // the partition begins here, whatever its checkpoint says

	loaded   bool
	position int64 // everything up to here is handled
	saved    int64 // the checkpoint as it is stored
	savedAt  time.Time
}

// stand begins at a checkpoint as it is stored.
func (c *cursor) stand(saved int64) {
	c.loaded, c.position, c.saved = true, max(saved, c.start), saved
}

// forget has the checkpoint loaded again.
func (c *cursor) forget() { c.loaded = false }

// commit has apply do something and moves the checkpoint to next, both in one transaction if the driver has them.
func (c *cursor) commit(ctx context.Context, next int64, apply func(ctx context.Context) error) error {
	return c.advance(ctx, next, func(ctx context.Context) (int64, error) { return next, apply(ctx) })
}

// advance has apply handle events up to next, or up to the position that it returns, and moves the checkpoint there, both
// in one transaction if the driver has them.
//
// In a transaction the checkpoint goes first: its row is then locked, so that a second runner of the same projection
// waits, finds it moved and has not called a handler. Without one it goes last: what a crash leaves out is done again.
func (c *cursor) advance(ctx context.Context, next int64, apply func(ctx context.Context) (int64, error)) error {
	together := c.loose
	if c.store.Transactional() {
		together = c.atomic
	}
	reached, err := together(ctx, next, apply)
	if err == nil {
		c.moved(reached)
	}
	return err
}

func (c *cursor) loose(ctx context.Context, _ int64, apply func(ctx context.Context) (int64, error)) (reached int64, err error) {
	if err := c.keep.check(ctx); err != nil {
		return 0, err
	}
	if reached, err = apply(ctx); err != nil {
		return 0, err
	}
	return reached, c.save(ctx, reached)
}

func (c *cursor) atomic(ctx context.Context, next int64, apply func(ctx context.Context) (int64, error)) (reached int64, err error) {
	defer c.keep.hold()()
	err = c.store.Transact(ctx, func(ctx context.Context) error {
		err := c.keep.save(ctx, c.saved, next)
		if err == nil {
			reached, err = apply(ctx)
		}
		if err == nil && reached != next {
			err = c.keep.save(ctx, next, reached)
		}
		return err
	})
	return reached, err
}

// save moves the checkpoint, and nothing else.
func (c *cursor) save(ctx context.Context, to int64) error {
	defer c.keep.hold()()
	return c.keep.save(ctx, c.saved, to)
}

// pass moves over events that are not this projection's, up to next.
func (c *cursor) pass(ctx context.Context, next int64) error {
	c.position = next
	if c.due() > 0 {
		return nil
	}
	return c.flush(ctx)
}

// flush stores the checkpoint if it lags behind.
func (c *cursor) flush(ctx context.Context) error {
	if !c.lags() {
		return nil
	}
	err := c.save(ctx, c.position)
	if err == nil {
		c.moved(c.position)
	}
	return err
}

func (c *cursor) lags() bool { return c.loaded && c.position != c.saved }

// due returns how long a lagging checkpoint may still wait.
func (c *cursor) due() time.Duration { return c.interval - time.Since(c.savedAt) }

func (c *cursor) moved(to int64) {
	c.position, c.saved, c.savedAt = to, to, time.Now()
}
