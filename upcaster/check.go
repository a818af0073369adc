package upcaster

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// checkEach returns the mistakes that steps have by themselves, as arguments of a constructor. direction returns what is
// wrong with where one leads.
func checkEach(constructor string, steps []Step, direction func(Step) error) error {
	var mistakes []error
	for i, s := range steps {
		if err := cmp.Or(s.check(), direction(s)); err != nil {
			mistakes = append(mistakes, fmt.Errorf("upcaster: argument %d of %s: %w", i+1, constructor, err))
		}
	}
	return errors.Join(mistakes...)
}

// check returns what is wrong with a step wherever it is used.
func (s Step) check() error {
	switch {
	case s.apply == nil && len(s.to) == 0 && s.from == Type{}:
		return errors.New("it is the zero Step; use Struct, Map, Rename, Split or Drop")
	case s.apply == nil:
		return fmt.Errorf("%v has no function", s)
	case s.codec && len(s.to) == 0:
		return fmt.Errorf("the split of %v lists no types to split into; use Drop", s.from)
	}
	for _, t := range append(s.To(), s.from) {
		if err := t.check(); err != nil {
			return fmt.Errorf("%v: type %q v%d %w", s, t.Name, t.Schema, err)
		}
	}
	return nil
}

// checkForward refuses what New does.
func (s Step) checkForward() error {
	for _, t := range s.to {
		if t.Name == s.from.Name && t.Schema < s.from.Schema {
			return fmt.Errorf("%v goes back to an earlier version", s)
		}
	}
	return nil
}

// checkBack refuses what NewDowncasts does.
func (s Step) checkBack() error {
	if len(s.to) == 0 {
		return fmt.Errorf("%v would have nothing stored", s)
	}
	for _, t := range s.to {
		if t.Name == s.from.Name && t.Schema > s.from.Schema {
			return fmt.Errorf("%v goes forward to a later version", s)
		}
	}
	return nil
}

// checkSources returns an error for each step that takes the same type as an earlier one.
func checkSources(steps []Step) error {
	var mistakes []error
	first := map[Type]Step{}
	for _, s := range steps {
		if other, taken := first[s.from]; taken {
			mistakes = append(mistakes, fmt.Errorf("upcaster: two steps take %v: %v and %v", s.from, other, s))
			continue
		}
		first[s.from] = s
	}
	return errors.Join(mistakes...)
}

// checkCycles returns an error for each circle of steps.
func (c *Chain) checkCycles(steps []Step) error {
	var mistakes []error
	done := map[Type]bool{}
	var visit func(t Type, path []Type)
	visit = func(t Type, path []Type) {
		if start := slices.Index(path, t); start >= 0 {
			mistakes = append(mistakes, cycle(append(path[start:], t)))
			return
		}
		if done[t] {
			return
		}
		for _, next := range c.steps[t].to {
			visit(next, append(path, t))
		}
		done[t] = true
	}
	for _, s := range steps {
		visit(s.from, nil)
	}
	return errors.Join(mistakes...)
}

func cycle(path []Type) error {
	names := make([]string, len(path))
	for i, t := range path {
		names[i] = t.String()
	}
	return fmt.Errorf("upcaster: steps lead in a circle: %s", strings.Join(names, ", then "))
}

// checkGaps returns an error for each type at which the chain ends although some step is about a later version of the
// same name: only one version of a name can be registered.
func (c *Chain) checkGaps(steps []Step) error {
	var mistakes []error
	for _, end := range c.targets {
		before := slices.IndexFunc(steps, func(s Step) bool { return slices.Contains(s.to, end) })
		later := slices.IndexFunc(steps, func(s Step) bool { return s.isBeyond(end) })
		if later >= 0 {
			mistakes = append(mistakes, fmt.Errorf("upcaster: a step from %v is missing: %v ends there, but %v is "+
				"about a later version", end, steps[before], steps[later]))
		}
	}
	return errors.Join(mistakes...)
}

// isBeyond reports whether the step takes or makes a later version of t.
func (s Step) isBeyond(t Type) bool {
	return slices.ContainsFunc(append(s.To(), s.from), func(other Type) bool {
		return other.Name == t.Name && other.Schema > t.Schema
	})
}
