// Package aggregatetest tests aggregates by what they record: given these events, when this command is called, then
// those events follow, or this error.
//
//	aggregatetest.Given(t, order.New("42"), order.Placed{Customer: "ann"}).
//		When(func(o *order.Order) error { return o.AddLine(mug) }).
//		Then(order.LineAdded{SKU: "mug", Quantity: 1})
//
// No store takes part: a scenario runs in microseconds, and says nothing about how events are stored.
package aggregatetest

import (
	"errors"
	"reflect"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/aggregate"
)

// TB is the part of [testing.TB] that scenarios use. Fatalf does not return.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Scenario is an aggregate with a past.
type Scenario[A aggregate.Aggregate] struct {
	t TB
	a A
}

// Given replays events on a, which is fresh from its constructor, as a repository would. The test fails if a records
// events of its own in the constructor or takes no events of such a type.
func Given[A aggregate.Aggregate](t TB, a A, events ...any) *Scenario[A] {
	t.Helper()
	if recorded := recordedBy(t, a); len(recorded) > 0 {
		t.Fatalf("given %q: the constructor recorded events, which it would do on every load as well:\n%s",
			a.ID(), list(recorded))
	}
	for i, e := range events {
		if err := storageOf(t, a).Replay(a.Version()+1, e); err != nil {
			t.Fatalf("given %q: event %d of %d: %v", a.ID(), i+1, len(events), err)
		}
	}
	return &Scenario[A]{t: t, a: a}
}

// When calls a command, or several: the error is the function's, the events are all that were recorded in it.
func (s *Scenario[A]) When(command func(A) error) *Outcome {
	s.t.Helper()
	err := command(s.a)
	return &Outcome{t: s.t, recorded: recordedBy(s.t, s.a), err: err}
}

// Outcome is what came of a command. One of its methods says what should have.
type Outcome struct {
	t        TB
	recorded []any
	err      error
}

// Then fails the test unless the command returned nil and recorded exactly these events, in this order. Events are equal
// if [reflect.DeepEqual] says so.
func (o *Outcome) Then(events ...any) {
	o.t.Helper()
	if o.err != nil {
		o.t.Fatalf("the command failed: %v\nit should have recorded:\n%s", o.err, list(events))
	}
	if len(events) == 0 && len(o.recorded) == 0 || reflect.DeepEqual(events, o.recorded) {
		return
	}
	o.t.Fatalf("the command recorded other events (- expected, + recorded):\n%s", diff(events, o.recorded))
}

// ThenNothing fails the test unless the command returned nil and recorded no event.
func (o *Outcome) ThenNothing() {
	o.t.Helper()
	o.Then()
}

// ThenError fails the test unless the command returned an error for which errors.Is(err, target) holds, and recorded no
// event: a command that refuses leaves no trace.
func (o *Outcome) ThenError(target error) {
	o.t.Helper()
	switch {
	case target == nil:
		o.t.Fatalf("ThenError(nil) expects nothing: use Then or ThenNothing")
	case o.err == nil:
		o.t.Fatalf("the command succeeded, it should have failed with: %v\nit recorded:\n%s", target, list(o.recorded))
	case !errors.Is(o.err, target):
		o.t.Fatalf("the command failed with another error:\n- expected: %v\n+ returned: %v", target, o.err)
	case len(o.recorded) > 0:
		o.t.Fatalf("the command failed as expected, but recorded events before it did:\n%s", list(o.recorded))
	}
}

func storageOf(t TB, a aggregate.Aggregate) *aggregate.Storage {
	t.Helper()
	s, err := aggregate.StorageOf(a)
	if err != nil {
		t.Fatalf("given %T: %v", a, err)
	}
	return s
}

func recordedBy(t TB, a aggregate.Aggregate) []any {
	t.Helper()
	var recorded []any
	for _, e := range storageOf(t, a).Unsaved(uuid.New) {
		recorded = append(recorded, e.Payload)
	}
	return recorded
}
