package projection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Event is an event as a handler of On gets it: Payload is the T that the handler asked for.
type Event[T any] struct {
	eventstore.Event
	Payload T
}

// BatchHandler handles several events at once; see OnBatch.
type BatchHandler = func(ctx context.Context, events []eventstore.Event) error

// On has handle called for each event whose payload is a T or, if T is an interface, implements it: On[any] gets all
// registered events. A projection has one handler at most for a type of event.
//
// The events come one at a time and in order. ctx carries the transaction that handle's writes and the checkpoint are
// committed in, where the driver has transactions: sqltx.From(ctx) has it, and calls of the store join it if they are
// given ctx. Later events of the batch share it, so an error or a panic also undoes what was written for the events
// before; all of them are handed out again. Work outside of that transaction is done at least once.
//
// ctx is cancelled when Run has been asked to end and the grace period is over. It must not be kept.
func On[T any](p *Projection, handle func(ctx context.Context, e Event[T]) error) {
	h := handler{goType: strings.TrimPrefix(fmt.Sprintf("%T", (*T)(nil)), "*"), types: eventstore.TypeNames[T]}
	if handle != nil {
		h.handle = func(ctx context.Context, e eventstore.Event) error {
			return handle(ctx, Event[T]{Event: e, Payload: e.Payload.(T)})
		}
	}
	p.handlers = append(p.handlers, h)
}

// SideEffect has handle called as On does, for work that is done to the world and not to the read model: a mail, a message,
// a call of another service. It is silent while a version is being built, and goes on for the events behind the switch,
// where the version before it left off. A type of event may have a handler of both On and SideEffect; On's comes first.
//
// Such work is done at least once: if the batch is rolled back, the event is handed out again.
func SideEffect[T any](p *Projection, handle func(ctx context.Context, e Event[T]) error) {
	On(p, handle)
	last := len(p.handlers) - 1
	p.handlers[last].effect = true
}

// OnBatch has handle called with up to Options.BatchSize events at a time, in order, for read models that are written
// faster that way. Options.Types says which; a projection has either this or handlers of On. events is handle's to
// keep. Everything else is as in On.
//
// After an error the batch is handed out again in smaller parts, down to the single event that can't be handled.
func OnBatch(p *Projection, handle BatchHandler) {
	p.batches = append(p.batches, handle)
}

// handler is what On was given.
type handler struct {
	effect bool   // of SideEffect
	goType string // for messages
	types  func(*eventstore.Store) []string
	handle func(ctx context.Context, e eventstore.Event) error
}

// recipe is a projection's handlers brought together: which events it is made of and what is done with them.
type recipe struct {
	types   []string // current names, sorted
	effects bool     // some of the handlers are of SideEffect
	batch   bool     // the handler is of OnBatch
	// apply handles a batch. Its error is a *failure.
	apply BatchHandler
}

// call returns those of the events that are handled in one call, from the first on: all parts of a stored event, or
// everything if the handler is of OnBatch.
func (r *recipe) call(events []eventstore.Event) []eventstore.Event {
	n := 1
	for n < len(events) && (r.batch || events[n].Position == events[0].Position) {
		n++
	}
	return events[:n:n]
}

// recipe resolves the handlers against what is registered, and returns all mistakes that it finds.
func (p *Projection) recipe(store *eventstore.Store) (recipe, []error) {
	var mistake string
	switch {
	case len(p.handlers) == 0 && len(p.batches) == 0:
		mistake = "it has no handler: give it some with On or OnBatch"
	case len(p.handlers) > 0 && len(p.batches) > 0:
		mistake = "it has handlers of both On and OnBatch: make two projections of it"
	case len(p.batches) > 1:
		mistake = "it has two handlers of OnBatch: a projection has one"
	case len(p.batches) == 1:
		return p.batchRecipe(store)
	case len(p.opts.Types) > 0:
		mistake = "the option Types is for OnBatch: a handler of On brings its own types"
	default:
		return p.typedRecipe(store)
	}
	return recipe{}, []error{errors.New(mistake)}
}

func (p *Projection) typedRecipe(store *eventstore.Store) (recipe, []error) {
	var errs []error
	t := typed{handlers: byType{}, effects: byType{}}
	owners := map[string]string{}
	for _, h := range p.handlers {
		types := h.types(store)
		if h.handle == nil {
			errs = append(errs, fmt.Errorf("the handler of %s is nil", h.label()))
		}
		if len(types) == 0 {
			errs = append(errs, fmt.Errorf("the handler of %s would never be called: no registered type is one, "+
				"register it with serializer.Register", h.label()))
		}
		for _, name := range types {
			key := fmt.Sprint(name, h.effect)
			if owner, taken := owners[key]; taken {
				errs = append(errs, fmt.Errorf("%s has two handlers, %s and %s", name, owner, h.label()))
			}
			owners[key] = h.label()
			t.of(h.effect)[name] = h.handle
		}
	}
	names := slices.Collect(maps.Keys(t.handlers))
	names = slices.AppendSeq(names, maps.Keys(t.effects))
	slices.Sort(names)
	return recipe{types: slices.Compact(names), effects: len(t.effects) > 0, apply: t.apply}, errs
}

// label names the handler in messages.
func (h *handler) label() string {
	if h.effect {
		return fmt.Sprintf("SideEffect[%s]", h.goType)
	}
	return fmt.Sprintf("On[%s]", h.goType)
}

func (p *Projection) batchRecipe(store *eventstore.Store) (recipe, []error) {
	var errs []error
	if p.batches[0] == nil {
		errs = append(errs, errors.New("the handler of OnBatch is nil"))
	}
	registered := eventstore.TypeNames[any](store)
	types := p.opts.Types
	if len(types) == 0 {
		types = registered
	}
	for _, name := range types {
		if !slices.Contains(registered, name) {
			errs = append(errs, fmt.Errorf("the option Types names %q, which is no registered event's current name", name))
		}
	}
	return recipe{types: slices.Sorted(slices.Values(types)), batch: true, apply: whole(p.batches[0]).apply}, errs
}

// byType has the handler of each event's name.
type byType map[string]func(ctx context.Context, e eventstore.Event) error

// typed handles a batch event by event.
type typed struct{ handlers, effects byType }

func (t typed) of(effect bool) byType {
	if effect {
		return t.effects
	}
	return t.handlers
}

func (t typed) apply(ctx context.Context, events []eventstore.Event) (err error) {
	i := 0
	defer func() {
		if err = orPanic(err, recover()); err != nil {
			err = &failure{suspects: events[i : i+1], before: stored(events[:i+1]) - 1, err: err}
		}
	}()
	steps := []byType{t.handlers, t.effects}
	if Rebuilding(ctx) {
		steps = steps[:1]
	}
	for i = range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, step := range steps {
			if handle := step[events[i].Type]; handle != nil {
				if err := handle(ctx, events[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// whole handles a batch in one call.
type whole BatchHandler

func (w whole) apply(ctx context.Context, events []eventstore.Event) (err error) {
	defer func() {
		if err = orPanic(err, recover()); err != nil {
			err = &failure{suspects: events, err: err}
		}
	}()
	return w(ctx, events)
}
