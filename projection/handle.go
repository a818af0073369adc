package projection

import (
	"context"
	"errors"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Handle hands events to the projection's handlers, as a runner does with a batch, and with nothing around it: no
// transaction but the one that ctx may carry, no checkpoint, no second try. Events that are not the projection's are left
// out. version and rebuilding are what Version and Rebuilding tell the handlers. Package projectiontest builds on it.
func (p *Projection) Handle(ctx context.Context, store *eventstore.Store, version int, rebuilding bool, events ...eventstore.Event) error {
	h, mistakes := p.direct(store)
	if len(mistakes) > 0 {
		return errors.Join(mistakes...)
	}
	return h.handle(deliver(ctx, version, rebuilding), events)
}

// direct is a projection's handlers without a runner.
type direct struct {
	name        string
	recipe      recipe
	streamTypes []string
}

func (p *Projection) direct(store *eventstore.Store) (direct, []error) {
	if p == nil {
		return direct{}, []error{errors.New("it is nil")}
	}
	recipe, mistakes := p.recipe(store)
	if err := checkName(p.name); err != nil {
		mistakes = append(mistakes, err)
	}
	mistakes = append(mistakes, checkStreamTypes(p.opts.StreamTypes)...)
	return direct{name: p.name, recipe: recipe, streamTypes: p.opts.StreamTypes}, mistakes
}

func (h *direct) handle(ctx context.Context, events []eventstore.Event) error {
	own := make([]eventstore.Event, 0, len(events))
	for i := range events {
		if h.takes(&events[i]) {
			own = append(own, events[i])
		}
	}
	if len(own) == 0 {
		return nil
	}
	return h.recipe.apply(ctx, own)
}

func (h *direct) takes(e *eventstore.Event) bool {
	_, known := slices.BinarySearch(h.recipe.types, e.Type)
	return known && (len(h.streamTypes) == 0 || slices.Contains(h.streamTypes, e.Stream.Type))
}
