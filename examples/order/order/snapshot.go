package order

import (
	"fmt"
	"slices"
)

// Snapshot implements aggregate.Snapshotter: orders of many lines load faster.
func (o *Order) Snapshot() (any, error) {
	s := o.state
	s.Lines = slices.Clone(s.Lines)
	return s, nil
}

// Restore implements aggregate.Snapshotter.
func (o *Order) Restore(state any) error {
	s, ok := state.(State)
	if !ok {
		return fmt.Errorf("an order can't be restored from a %T", state)
	}
	o.state = s
	return nil
}
