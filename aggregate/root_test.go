package aggregate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/aggregate"
)

type accountEvent interface{ accountEvent() }

type (
	deposited struct{ Amount int }
	withdrawn struct{ Amount int }
)

func (deposited) accountEvent() {}
func (withdrawn) accountEvent() {}

type account struct {
	aggregate.Root[accountEvent]
	balance int
}

func newAccount(id string) *account {
	a := new(account)
	a.Init(id, a.apply)
	return a
}

func (a *account) apply(e accountEvent) {
	switch e := e.(type) {
	case deposited:
		a.balance += e.Amount
	case withdrawn:
		a.balance -= e.Amount
	}
}

func TestS1RecordAppliesAtOnce(t *testing.T) {
	t.Run("the state has changed when Record returns", func(t *testing.T) {
		a := newAccount("7")
		a.Record(deposited{Amount: 5})
		require.Equal(t, 5, a.balance)
		a.Record(withdrawn{Amount: 2})
		require.Equal(t, 3, a.balance)
	})

	t.Run("several events are applied in order", func(t *testing.T) {
		var seen []int
		var r aggregate.Root[int]
		r.Init("7", func(n int) { seen = append(seen, n) })
		r.Record(3, 1, 2)
		require.Equal(t, []int{3, 1, 2}, seen)
	})

	t.Run("an event that apply panics on is not kept", func(t *testing.T) {
		var r aggregate.Root[int]
		r.Init("7", func(n int) {
			if n < 0 {
				panic("negative")
			}
		})
		require.PanicsWithValue(t, "negative", func() { r.Record(1, -1, 2) })
		require.Equal(t, []int{1}, r.Pending())
		r.Record(3)
		require.Equal(t, []int{1, 3}, r.Pending())
	})
}

func TestRoot(t *testing.T) {
	t.Run("a new root has its id, no version and nothing pending", func(t *testing.T) {
		a := newAccount("7")
		require.Equal(t, "7", a.ID())
		require.Zero(t, a.Version())
		require.Empty(t, a.Pending())
	})

	t.Run("pending events don't count in the version", func(t *testing.T) {
		a := newAccount("7")
		a.Record(deposited{Amount: 5}, deposited{Amount: 6})
		require.Zero(t, a.Version())
	})

	t.Run("Pending returns a copy", func(t *testing.T) {
		a := newAccount("7")
		a.Record(deposited{Amount: 5})
		a.Pending()[0] = deposited{Amount: 6}
		require.Equal(t, []accountEvent{deposited{Amount: 5}}, a.Pending())
	})

	t.Run("a nil event is kept for the store to refuse", func(t *testing.T) {
		a := newAccount("7")
		a.Record(nil)
		require.Equal(t, []accountEvent{nil}, a.Pending())
	})

	t.Run("Record before Init says what to do", func(t *testing.T) {
		require.PanicsWithValue(t,
			"aggregate: Init was not called: call it in the constructor, as in o.Init(id, o.apply)",
			func() { new(account).Record(deposited{Amount: 5}) })
	})

	t.Run("Record on a copy says that it is one", func(t *testing.T) {
		a := newAccount("7")
		b := *a
		require.PanicsWithValue(t,
			"aggregate: the aggregate was copied after Init, so its events would change the original: "+
				"pass aggregates as pointers",
			func() { b.Record(deposited{Amount: 5}) })
		require.Zero(t, a.balance)
	})

	t.Run("a copy that is given an Init of its own works", func(t *testing.T) {
		a := newAccount("7")
		b := *a
		b.Init("8", b.apply)
		b.Record(deposited{Amount: 5})
		require.Equal(t, "8", b.ID())
		require.Equal(t, 5, b.balance)
		require.Zero(t, a.balance)
	})

	t.Run("apply that records is told not to", func(t *testing.T) {
		var r aggregate.Root[int]
		r.Init("7", func(n int) { r.Record(n + 1) })
		require.PanicsWithValue(t,
			`aggregate: apply of "7" called Record: record in commands, apply only changes state`,
			func() { r.Record(1) })
	})

	t.Run("Init refuses a missing apply and a second call", func(t *testing.T) {
		a := new(account)
		require.PanicsWithValue(t, "aggregate: Init without an apply function: events would change nothing",
			func() { a.Init("7", nil) })
		a.Init("7", a.apply)
		require.PanicsWithValue(t, `aggregate: Init was called already, for "7"`,
			func() { a.Init("8", a.apply) })
	})
}
