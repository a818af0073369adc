package upcaster

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Chain applies steps to events until none fits. A nil Chain has no steps. It is safe for concurrent use.
type Chain struct {
	steps   map[Type]Step
	targets []Type
	sources map[string][]string
}

// New checks the steps and joins them into a chain; their order does not matter. It returns an error that names the
// steps if a function is nil, a name or a version invalid, if two steps take the same type, if steps lead in a circle
// or back to an earlier version, and if there is a gap: a version at which the chain ends, while another step is about
// a later version of the same name.
//
// That the types at which the chain ends are registered is checked by eventstore.New; see [Chain.Targets].
func New(steps ...Step) (*Chain, error) {
	if err := cmp.Or(checkEach("New", steps, Step.checkForward), checkSources(steps)); err != nil {
		return nil, err
	}
	c := join(steps)
	if err := errors.Join(c.checkCycles(steps), c.checkGaps(steps)); err != nil {
		return nil, err
	}
	c.sources = c.findSources()
	return c, nil
}

// join returns a chain of steps of which no two take the same type.
func join(steps []Step) *Chain {
	c := &Chain{steps: make(map[Type]Step, len(steps))}
	for _, s := range steps {
		c.steps[s.from] = s
	}
	c.targets = c.findTargets()
	return c
}

// Handles reports whether the chain has a step for events of type t. It does not allocate: ask before Upcast, and
// leave an event alone that is not handled.
func (c *Chain) Handles(t Type) bool {
	if c == nil {
		return false
	}
	_, ok := c.steps[t]
	return ok
}

// Upcast returns what has become of a stored event: itself if no step takes its type, none if it is dropped, several in
// their order if it is split. e is not changed. codec finds the codec of a content type, as the method Codec of a
// serializer.Registry does.
//
// The error names the step. A panic in a step becomes an error.
func (c *Chain) Upcast(e Event, codec func(contentType string) (Codec, bool)) ([]Event, error) {
	return c.appendUpcast(nil, e, codec)
}

// appendUpcast goes down into each part before it looks at the next, which keeps the parts in order. It ends because a
// chain has no cycles.
func (c *Chain) appendUpcast(out []Event, e Event, codec func(string) (Codec, bool)) ([]Event, error) {
	if !c.Handles(e.Type) {
		return append(out, e), nil
	}
	step := c.steps[e.Type]
	parts, err := step.run(e, codec)
	if err != nil {
		return nil, fmt.Errorf("upcaster: %v: %w", step, err)
	}
	for _, part := range parts {
		if out, err = c.appendUpcast(out, part, codec); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Targets returns the types at which the chain ends, sorted: those that steps make and no step takes further. They are
// the ones that have to be registered.
func (c *Chain) Targets() []Type {
	if c == nil {
		return nil
	}
	return slices.Clone(c.targets)
}

// Sources returns, sorted, the names of all stored events that can become events called target, through any number of
// steps. target itself is left out.
func (c *Chain) Sources(target string) []string {
	if c == nil {
		return nil
	}
	return slices.Clone(c.sources[target])
}

// LeadsTo reports whether an event stored as from can become a target through any number of steps, none included.
func (c *Chain) LeadsTo(from, target Type) bool {
	if from == target || c == nil {
		return from == target
	}
	reached := map[Type]bool{}
	c.reach(from, reached)
	return reached[target]
}

func (c *Chain) findTargets() []Type {
	made := map[Type]bool{}
	for _, s := range c.steps {
		for _, t := range s.to {
			if !c.Handles(t) {
				made[t] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(made), compare)
}

// findSources follows every step to the targets that it leads to.
func (c *Chain) findSources() map[string][]string {
	sources := map[string][]string{}
	for from := range c.steps {
		reached := map[Type]bool{}
		c.reach(from, reached)
		for _, target := range c.targets {
			if reached[target] && target.Name != from.Name {
				sources[target.Name] = append(sources[target.Name], from.Name)
			}
		}
	}
	for target, names := range sources {
		slices.Sort(names)
		sources[target] = slices.Compact(names)
	}
	return sources
}

// reach adds t and all that it can become to reached.
func (c *Chain) reach(t Type, reached map[Type]bool) {
	if reached[t] {
		return
	}
	reached[t] = true
	for _, next := range c.steps[t].to {
		c.reach(next, reached)
	}
}

// compare orders types by name, then version.
func compare(a, b Type) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Schema, b.Schema))
}
