package aggregate_test

import (
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/aggregate"
)

// LampEvent is a closed set: only types with its method are events of a lamp.
type LampEvent interface{ lampEvent() }

type (
	SwitchedOn struct{ Watts int }
	BurntOut   struct{}
)

func (SwitchedOn) lampEvent() {}
func (BurntOut) lampEvent()   {}

type Lamp struct {
	aggregate.Root[LampEvent]
	uses   int
	broken bool
}

func NewLamp(id string) *Lamp { l := new(Lamp); l.Init(id, l.apply); return l }

func (l *Lamp) apply(e LampEvent) {
	switch e.(type) {
	case SwitchedOn:
		l.uses++
	case BurntOut:
		l.broken = true
	}
}

// SwitchOn is a command: it checks the state and records what happened.
func (l *Lamp) SwitchOn() error {
	if l.broken {
		return errors.New("the lamp is broken")
	}
	l.Record(SwitchedOn{Watts: 40})
	if l.uses == 2 { // the event above has been applied
		l.Record(BurntOut{})
	}
	return nil
}

func Example() {
	lamp := NewLamp("hall")
	for range 3 {
		if err := lamp.SwitchOn(); err != nil {
			fmt.Println("refused:", err)
		}
	}
	for _, e := range lamp.Pending() {
		fmt.Printf("%T%+v\n", e, e)
	}
	fmt.Println("version", lamp.Version())
	// Output:
	// refused: the lamp is broken
	// aggregate_test.SwitchedOn{Watts:40}
	// aggregate_test.SwitchedOn{Watts:40}
	// aggregate_test.BurntOut{}
	// version 0
}

// LampState is what the lamp's snapshots hold. It is registered like an event type.
type LampState struct {
	Uses   int
	Broken bool
}

func (l *Lamp) Snapshot() (any, error) { return LampState{Uses: l.uses, Broken: l.broken}, nil }

func (l *Lamp) Restore(state any) error {
	s, ok := state.(LampState)
	if !ok {
		return fmt.Errorf("a lamp can't be restored from a %T", state)
	}
	l.uses, l.broken = s.Uses, s.Broken
	return nil
}

func ExampleSnapshotter() {
	lamp := NewLamp("hall")
	_ = lamp.SwitchOn()
	state, _ := lamp.Snapshot()

	again := NewLamp("hall")
	_ = again.Restore(state)
	fmt.Println(again.uses, "use,", "broken:", again.broken)
	fmt.Println(again.Restore("half a lamp"))
	// Output:
	// 1 use, broken: false
	// a lamp can't be restored from a string
}
