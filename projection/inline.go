package projection

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Inline has projections handle each append of a store in the append's own transaction: their read models never lag, and
// a handler's error, as of a constraint that is violated, undoes the append and is what it returns. Call it once, before
// the first append; it needs a driver with transactions.
//
// The price: every append of the store waits for the handlers and for what they lock, has a transaction of its own and
// shares no commit with others. Appends by other programs are not seen, so all that write need the same call. Two
// streams' events may be handled side by side, and in another order than the log's; the order inside a stream is kept. Of
// the options, Types and StreamTypes count. Handlers of SideEffect are refused: the append may still be undone.
//
// What was appended before is for a Runner with the same projections to handle, with CatchUp, while nobody appends.
func Inline(store *eventstore.Store, projections ...*Projection) error {
	if store == nil {
		return errors.New("projection: Inline needs a store")
	}
	if len(projections) == 0 {
		return errors.New("projection: Inline needs a projection")
	}
	var errs []error
	all := make([]direct, len(projections))
	for i, p := range projections {
		var mistakes []error
		all[i], mistakes = p.direct(store)
		if all[i].recipe.effects {
			mistakes = append(mistakes, errors.New("it has a handler of SideEffect, which would be called for an append that may be "+
				"undone: give it to a Runner"))
		}
		for _, mistake := range mistakes {
			errs = append(errs, fmt.Errorf("projection: %s: %w", p.label(i, "Inline"), mistake))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return store.OnAppend(func(ctx context.Context, events []eventstore.Event) error {
		for _, h := range all {
			if err := h.handle(ctx, events); err != nil {
				return fmt.Errorf("projection: %q refuses the append: %w", h.name, err)
			}
		}
		return nil
	})
}
