package upcaster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Downcasts are steps in the other direction: what is written today becomes what an earlier release reads. They are for
// the time in which both releases run side by side, and are taken out when the earlier one is gone:
//
//	chain, err := upcaster.New(
//		upcaster.Map(upcaster.V("order.placed", 1), upcaster.V("order.placed", 2), withCurrency),
//	)
//	down, err := upcaster.NewDowncasts(
//		upcaster.Map(upcaster.V("order.placed", 2), upcaster.V("order.placed", 1), onlyPounds),
//	)
//	store, err := eventstore.New(drv, reg, &eventstore.Options{Upcasters: chain, Downcasts: down})
//
// What is stored that way is stored for good. A step must not lose what the upcasters can't bring back: the store makes
// sure of it at each append. Where the earlier version has no room for something, leave it in the payload under a name
// that its readers ignore, put it into the metadata, or return an error, which fails the append.
//
// A nil Downcasts has no steps. It is safe for concurrent use.
type Downcasts struct{ chain *Chain }

// NewDowncasts checks the steps and joins them; their order does not matter. Each makes one event of one: the function of
// a Split may choose among its types, but returns exactly one event. It returns an error that names the steps if a
// function is nil, a name or a version invalid, if two steps take the same type, and if steps lead in a circle, forward to
// a later version, or to nothing.
//
// That the steps begin at what is written today, and that upcasters lead back there, is checked by eventstore.New.
func NewDowncasts(steps ...Step) (*Downcasts, error) {
	if err := cmp.Or(checkEach("NewDowncasts", steps, Step.checkBack), checkSources(steps)); err != nil {
		return nil, err
	}
	c := join(steps)
	if err := c.checkCycles(steps); err != nil {
		return nil, err
	}
	return &Downcasts{chain: c}, nil
}

// Handles reports whether there is a step for what is written as t. It does not allocate.
func (d *Downcasts) Handles(t Type) bool { return d != nil && d.chain.Handles(t) }

// Downcast returns what is to be stored instead of e: itself if no step takes its type. Everything else is as in
// [Chain.Upcast].
func (d *Downcasts) Downcast(e Event, codec func(contentType string) (Codec, bool)) (Event, error) {
	for d.Handles(e.Type) {
		step := d.chain.steps[e.Type]
		parts, err := step.run(e, codec)
		if err == nil && len(parts) != 1 {
			err = fmt.Errorf("it returned %d events instead of one", len(parts))
		}
		if err != nil {
			return Event{}, fmt.Errorf("upcaster: downcast: %v: %w", step, err)
		}
		e = parts[0]
	}
	return e, nil
}

// Sources returns, sorted, the types at which steps begin that no other step makes. They are what has to be written today.
func (d *Downcasts) Sources() []Type {
	if d == nil {
		return nil
	}
	begin := map[Type]bool{}
	for from := range d.chain.steps {
		begin[from] = true
	}
	for _, s := range d.chain.steps {
		for _, t := range s.to {
			delete(begin, t)
		}
	}
	return slices.SortedFunc(maps.Keys(begin), compare)
}

// Targets returns, sorted, the types under which what is written as source may be stored.
func (d *Downcasts) Targets(source Type) []Type {
	if d == nil {
		return nil
	}
	reached := map[Type]bool{}
	d.chain.reach(source, reached)
	return slices.DeleteFunc(slices.Clone(d.chain.targets), func(t Type) bool { return !reached[t] })
}
