package order_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/aggregate/aggregatetest"
	"github.com/tidemark-go/tidemark/examples/order/order"
)

var (
	noon   = time.Date(2011, 12, 6, 12, 0, 0, 0, time.UTC)
	placed = order.Placed{Customer: "12345", Country: "France", At: noon}
	mugs   = order.Line{ID: "1", SKU: "21071", Description: "BLUE MUG", Quantity: 6, Price: order.Pence(125)}
	scales = order.Line{ID: "2", SKU: "22625", Description: "KITCHEN SCALES", Quantity: 1, Price: order.Pence(850)}
)

func place(o *order.Order) error    { return o.Place("12345", "France", noon) }
func addMugs(o *order.Order) error  { return o.AddLine(mugs) }
func dropMugs(o *order.Order) error { return o.RemoveLine(mugs.ID) }
func ship(o *order.Order) error     { return o.Ship("a cart") }
func cancel(o *order.Order) error   { return o.Cancel("too late") }

func pay(amount order.Money) func(*order.Order) error {
	return func(o *order.Order) error { return o.Pay(amount) }
}

func given(t *testing.T, events ...any) *aggregatetest.Scenario[*order.Order] {
	return aggregatetest.Given(t, order.New("1001"), events...)
}

func TestPlacing(t *testing.T) {
	t.Run("opens a new order", func(t *testing.T) {
		given(t).When(place).Then(placed)
	})
	t.Run("is done once", func(t *testing.T) {
		given(t, placed).When(place).ThenError(order.ErrStatus)
	})
	t.Run("needs a country to ship to", func(t *testing.T) {
		given(t).
			When(func(o *order.Order) error { return o.Place("", "", noon) }).
			ThenError(order.ErrNoCountry)
	})
}

func TestAddingLines(t *testing.T) {
	t.Run("puts goods on an open order", func(t *testing.T) {
		given(t, placed).When(addMugs).Then(order.LineAdded{mugs})
	})
	t.Run("takes the same goods twice under two IDs", func(t *testing.T) {
		more := mugs
		more.ID = "7"
		given(t, placed, order.LineAdded{mugs}).
			When(func(o *order.Order) error { return o.AddLine(more) }).
			Then(order.LineAdded{more})
	})
	t.Run("takes the same ID once, whatever became of its line", func(t *testing.T) {
		given(t, placed, order.LineAdded{mugs}).When(addMugs).ThenNothing()
		given(t, placed, order.LineAdded{mugs}, order.LineRemoved{mugs}).When(addMugs).ThenNothing()
		given(t, placed, order.LineAdded{mugs}, order.Paid{Amount: order.Pence(750)}).When(addMugs).ThenNothing()
	})
	t.Run("needs an open order", func(t *testing.T) {
		given(t).When(addMugs).ThenError(order.ErrStatus)
		given(t, placed, order.LineAdded{scales}, order.Paid{Amount: order.Pence(850)}).
			When(addMugs).ThenError(order.ErrStatus)
	})
}

func TestLinesThatNoOrderTakes(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*order.Line)
		want order.Refusal
	}{
		"without a stock code":      {func(l *order.Line) { l.SKU = "" }, order.ErrNoSKU},
		"of nothing":                {func(l *order.Line) { l.Quantity = 0 }, order.ErrQuantity},
		"of less than nothing":      {func(l *order.Line) { l.Quantity = -1 }, order.ErrQuantity},
		"of more than there can be": {func(l *order.Line) { l.Quantity = 1_000_001 }, order.ErrTooMany},
		"that are free":             {func(l *order.Line) { l.Price = 0 }, order.ErrPrice},
		"at a negative price":       {func(l *order.Line) { l.Price = -1 }, order.ErrPrice},
	} {
		t.Run(name, func(t *testing.T) {
			line := mugs
			c.edit(&line)
			given(t, placed).When(func(o *order.Order) error { return o.AddLine(line) }).ThenError(c.want)
			given(t, placed).When(func(o *order.Order) error { return o.Return(line) }).ThenError(c.want)
		})
	}
}

func TestRemovingLines(t *testing.T) {
	t.Run("records what was removed", func(t *testing.T) {
		given(t, placed, order.LineAdded{mugs}).When(dropMugs).Then(order.LineRemoved{mugs})
	})
	t.Run("sees the effect of a command before it", func(t *testing.T) {
		given(t, placed).
			When(func(o *order.Order) error { return errors.Join(addMugs(o), dropMugs(o)) }).
			Then(order.LineAdded{mugs}, order.LineRemoved{mugs})
	})
	t.Run("needs a line that is there", func(t *testing.T) {
		given(t, placed).When(dropMugs).ThenError(order.ErrNoSuchLine)
		given(t, placed, order.LineAdded{mugs}, order.LineRemoved{mugs}).When(dropMugs).ThenError(order.ErrNoSuchLine)
	})
}

func TestReturns(t *testing.T) {
	bringBack := func(o *order.Order) error { return o.Return(mugs) }

	t.Run("come in on an order of their own", func(t *testing.T) {
		given(t, placed).When(bringBack).Then(order.LineReturned{mugs})
		given(t, placed, order.LineAdded{scales}).When(bringBack).ThenError(order.ErrMixed)
		given(t, placed, order.LineReturned{scales}).When(addMugs).ThenError(order.ErrMixed)
	})
	t.Run("count once", func(t *testing.T) {
		given(t, placed, order.LineReturned{mugs}).When(bringBack).ThenNothing()
	})
}

func TestPaying(t *testing.T) {
	t.Run("takes the total, what was removed not counted", func(t *testing.T) {
		given(t, placed, order.LineAdded{mugs}, order.LineAdded{scales}, order.LineRemoved{mugs}).
			When(pay(order.Pence(850))).Then(order.Paid{Amount: order.Pence(850)})
	})
	t.Run("takes nothing else", func(t *testing.T) {
		given(t, placed, order.LineAdded{mugs}).When(pay(order.Pence(749))).ThenError(order.ErrAmount)
	})
	t.Run("needs something to pay for", func(t *testing.T) {
		given(t, placed).When(pay(0)).ThenError(order.ErrAmount)
		given(t, placed, order.LineReturned{mugs}).When(pay(order.Pence(-750))).ThenError(order.ErrAmount)
	})
}

func TestShippingAndCancelling(t *testing.T) {
	paid := []any{placed, order.LineAdded{mugs}, order.Paid{Amount: order.Pence(750)}}
	shipped := append(paid, order.Shipped{Carrier: "a cart"})

	t.Run("what is paid ships", func(t *testing.T) {
		given(t, paid...).When(ship).Then(order.Shipped{Carrier: "a cart"})
		given(t, placed, order.LineAdded{mugs}).When(ship).ThenError(order.ErrStatus)
	})
	t.Run("what is not shipped can be cancelled, and gives up the lines it has", func(t *testing.T) {
		cancelled := order.Cancelled{Reason: "too late", Lines: []order.Line{mugs}}
		given(t, paid...).When(cancel).Then(cancelled)
		given(t, placed, order.LineAdded{scales}, order.LineRemoved{scales}, order.LineAdded{mugs}).
			When(cancel).Then(cancelled)
	})
	t.Run("what is shipped stays shipped", func(t *testing.T) {
		given(t, shipped...).When(cancel).ThenError(order.ErrStatus)
	})
}
