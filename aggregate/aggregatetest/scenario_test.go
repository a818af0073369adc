package aggregatetest_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/aggregate/aggregatetest"
)

type (
	cartEvent interface{ cartEvent() }
	opened    struct{ Customer string }
	added     struct {
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity"`
	}
	noted  struct{ text string }
	hooked struct{ Hook func() }
)

func (opened) cartEvent() {}
func (added) cartEvent()  {}
func (noted) cartEvent()  {}
func (hooked) cartEvent() {}

type cart struct {
	aggregate.Root[cartEvent]
	open bool
}

func newCart(id string) *cart { c := new(cart); c.Init(id, c.apply); return c }

func (c *cart) apply(e cartEvent) {
	if _, ok := e.(opened); ok {
		c.open = true
	}
}

var errClosed = errors.New("the cart is not open")

func (c *cart) add(sku string, quantity int) error {
	if !c.open {
		return errClosed
	}
	c.Record(added{SKU: sku, Quantity: quantity})
	return nil
}

// failures is a TB that keeps what it is told. Like testing.T, it ends the goroutine that fails.
type failures []string

func (f *failures) Helper() {}

func (f *failures) Fatalf(format string, args ...any) {
	*f = append(*f, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// failure runs a scenario that has to fail exactly once and returns the text.
func failure(t *testing.T, scenario func(tb aggregatetest.TB)) string {
	t.Helper()
	var f failures
	done := make(chan struct{})
	go func() {
		defer close(done)
		scenario(&f)
	}()
	<-done
	require.Len(t, f, 1, "the scenario should have failed")
	return f[0]
}

func record(events ...cartEvent) func(*cart) error {
	return func(c *cart) error {
		c.Record(events...)
		return nil
	}
}

func addMug(c *cart) error { return c.add("mug", 2) }

func TestScenariosThatHold(t *testing.T) {
	t.Run("the expected events were recorded", func(t *testing.T) {
		aggregatetest.Given(t, newCart("1"), opened{}).
			When(addMug).
			Then(added{SKU: "mug", Quantity: 2})
	})

	t.Run("several commands record several events", func(t *testing.T) {
		aggregatetest.Given(t, newCart("1"), opened{}, added{SKU: "pen", Quantity: 1}).
			When(func(c *cart) error { return errors.Join(addMug(c), addMug(c)) }).
			Then(added{SKU: "mug", Quantity: 2}, added{SKU: "mug", Quantity: 2})
	})

	t.Run("the expected error was returned, wrapped", func(t *testing.T) {
		aggregatetest.Given(t, newCart("1")).
			When(func(c *cart) error { return fmt.Errorf("adding: %w", addMug(c)) }).
			ThenError(errClosed)
	})

	t.Run("nothing happened", func(t *testing.T) {
		aggregatetest.Given(t, newCart("1")).When(record()).ThenNothing()
		aggregatetest.Given(t, newCart("1")).When(record()).Then()
	})

	t.Run("the given events count in the version", func(t *testing.T) {
		c := newCart("1")
		aggregatetest.Given(t, c, opened{}, added{})
		require.Equal(t, int64(2), c.Version())
	})
}

func TestGivenFails(t *testing.T) {
	t.Run("on an event of another aggregate", func(t *testing.T) {
		require.Equal(t, `given "1": event 2 of 2: aggregate: "1" has no use for a string: `+
			`the events of its root are of type aggregatetest_test.cartEvent`,
			failure(t, func(tb aggregatetest.TB) { aggregatetest.Given(tb, newCart("1"), opened{}, "added") }))
	})

	t.Run("on a constructor that records", func(t *testing.T) {
		c := newCart("1")
		c.Record(opened{Customer: "ann"})
		require.Equal(t, `given "1": the constructor recorded events, which it would do on every load as well:
  aggregatetest_test.opened {
    "Customer": "ann"
  }`, failure(t, func(tb aggregatetest.TB) { aggregatetest.Given(tb, c) }))
	})

	t.Run("on an aggregate without Init", func(t *testing.T) {
		require.Contains(t,
			failure(t, func(tb aggregatetest.TB) { aggregatetest.Given(tb, new(cart)) }),
			"given *aggregatetest_test.cart: aggregate: Init was not called")
	})
}

func TestThenFails(t *testing.T) {
	then := func(t *testing.T, command func(*cart) error, events ...any) string {
		return failure(t, func(tb aggregatetest.TB) {
			aggregatetest.Given(tb, newCart("1"), opened{}).When(command).Then(events...)
		})
	}

	t.Run("with a diff by field", func(t *testing.T) {
		require.Equal(t, `the command recorded other events (- expected, + recorded):
  aggregatetest_test.added {
    "sku": "mug",
-   "quantity": 3
+   "quantity": 2
  }`, then(t, addMug, added{SKU: "mug", Quantity: 3}))
	})

	t.Run("with what is missing and what is too much", func(t *testing.T) {
		require.Equal(t, `the command recorded other events (- expected, + recorded):
- aggregatetest_test.opened {
-   "Customer": "ann"
- }
  aggregatetest_test.added {
    "sku": "mug",
    "quantity": 2
  }
+ aggregatetest_test.added {
+   "sku": "pen",
+   "quantity": 1
+ }`, then(t, record(added{"mug", 2}, added{"pen", 1}), opened{Customer: "ann"}, added{"mug", 2}))
	})

	t.Run("when the order differs", func(t *testing.T) {
		require.Contains(t, then(t, record(added{"mug", 2}, added{"pen", 1}), added{"pen", 1}, added{"mug", 2}),
			"(- expected, + recorded)")
	})

	t.Run("when nothing was expected", func(t *testing.T) {
		require.Contains(t, then(t, addMug), `+   "sku": "mug"`)
	})

	t.Run("when nothing was recorded", func(t *testing.T) {
		require.Contains(t, then(t, record(), opened{}), `-   "Customer": ""`)
	})

	t.Run("in Go's notation where JSON shows no difference", func(t *testing.T) {
		require.Equal(t, `the command recorded other events (- expected, + recorded):
- aggregatetest_test.noted{text:"a"}
+ aggregatetest_test.noted{text:"b"}`, then(t, record(noted{"b"}), noted{"a"}))
	})

	t.Run("in Go's notation where JSON can't say it", func(t *testing.T) {
		require.Contains(t, then(t, record(hooked{}), opened{}), "+ aggregatetest_test.hooked{Hook:(func())(nil)}")
	})

	t.Run("in words where nothing shows the difference", func(t *testing.T) {
		hook := func() {}
		require.Contains(t, then(t, record(hooked{hook}), hooked{hook}), "both print alike")
	})

	t.Run("when an event is a pointer", func(t *testing.T) {
		require.Contains(t, then(t, record(added{"mug", 2}), &added{"mug", 2}), "- *aggregatetest_test.added {")
	})

	t.Run("when the command failed", func(t *testing.T) {
		require.Equal(t, `the command failed: the cart is not open
it should have recorded:
  aggregatetest_test.opened {
    "Customer": "ann"
  }`, then(t, func(*cart) error { return errClosed }, opened{Customer: "ann"}))
	})
}

func TestThenNothingFails(t *testing.T) {
	require.Equal(t, "the command failed: the cart is not open\nit should have recorded:\n  no events",
		failure(t, func(tb aggregatetest.TB) { aggregatetest.Given(tb, newCart("1")).When(addMug).ThenNothing() }))
}

func TestThenErrorFails(t *testing.T) {
	thenError := func(t *testing.T, command func(*cart) error, target error) string {
		return failure(t, func(tb aggregatetest.TB) {
			aggregatetest.Given(tb, newCart("1"), opened{}).When(command).ThenError(target)
		})
	}

	t.Run("when the command succeeded", func(t *testing.T) {
		require.Equal(t, "the command succeeded, it should have failed with: the cart is not open\n"+
			"it recorded:\n  no events", thenError(t, record(), errClosed))
	})

	t.Run("when the error is another one", func(t *testing.T) {
		require.Equal(t, "the command failed with another error:\n"+
			"- expected: the cart is not open\n+ returned: out of mugs",
			thenError(t, func(*cart) error { return errors.New("out of mugs") }, errClosed))
	})

	t.Run("when the command left a trace", func(t *testing.T) {
		require.Contains(t, thenError(t, func(c *cart) error {
			c.Record(added{"mug", 2})
			return errClosed
		}, errClosed), "failed as expected, but recorded events before it did:\n  aggregatetest_test.added {")
	})

	t.Run("without an error to expect", func(t *testing.T) {
		require.Equal(t, "ThenError(nil) expects nothing: use Then or ThenNothing", thenError(t, record(), nil))
	})
}
