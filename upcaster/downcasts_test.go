package upcaster_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

func newDowncasts(t testing.TB, steps ...upcaster.Step) *upcaster.Downcasts {
	t.Helper()
	d, err := upcaster.NewDowncasts(steps...)
	require.NoError(t, err)
	return d
}

func TestDowncast(t *testing.T) {
	down := newDowncasts(t,
		renameField(v("order.placed", 2), v("order.placed", 1), "number", "qty"),
		renameField(v("order.placed", 3), v("order.placed", 2), "quantity", "number"),
		upcaster.Split(v("order.paid", 2), []upcaster.Type{v("order.paid_by_card", 1), v("order.paid_in_cash", 1)}, byMethod),
		upcaster.Rename(v("order.paid_in_cash", 1), v("till.paid", 1)),
	)
	t.Run("goes back from step to step, and leaves the rest of the event alone", func(t *testing.T) {
		out, err := down.Downcast(event(v("order.placed", 3), `{"quantity":2}`), codecs)
		require.NoError(t, err)
		require.Equal(t, event(v("order.placed", 1), `{"qty":2}`), out)
	})
	t.Run("chooses among types by the payload", func(t *testing.T) {
		for data, want := range map[string]upcaster.Type{
			`{"method":"card"}`: v("order.paid_by_card", 1), `{"method":"cash"}`: v("till.paid", 1),
		} {
			out, err := down.Downcast(event(v("order.paid", 2), data), codecs)
			require.NoError(t, err)
			require.Equal(t, event(want, data), out)
		}
	})
	t.Run("leaves alone what no step takes", func(t *testing.T) {
		for _, down := range []*upcaster.Downcasts{down, nil} {
			require.False(t, down.Handles(v("order.shipped", 1)))
			out, err := down.Downcast(event(v("order.shipped", 1), `{}`), codecs)
			require.NoError(t, err)
			require.Equal(t, event(v("order.shipped", 1), `{}`), out)
		}
		require.True(t, down.Handles(v("order.paid", 2)))
	})
	t.Run("knows where its steps begin and end", func(t *testing.T) {
		require.Equal(t, []upcaster.Type{v("order.paid", 2), v("order.placed", 3)}, down.Sources())
		require.Equal(t, []upcaster.Type{v("order.paid_by_card", 1), v("till.paid", 1)}, down.Targets(v("order.paid", 2)))
		require.Equal(t, []upcaster.Type{v("order.placed", 1)}, down.Targets(v("order.placed", 3)))
		var none *upcaster.Downcasts
		require.Empty(t, none.Sources())
		require.Empty(t, none.Targets(v("order.placed", 3)))
	})
}

func byMethod(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
	var paid struct{ Method string }
	if err := c.Unmarshal(e.Data, &paid); err != nil {
		return nil, err
	}
	switch paid.Method {
	case "card":
		e.Type = v("order.paid_by_card", 1)
	case "cash":
		e.Type = v("order.paid_in_cash", 1)
	case "both":
		return []upcaster.Event{{Type: v("order.paid_by_card", 1)}, {Type: v("order.paid_in_cash", 1)}}, nil
	case "panic":
		panic("no such method")
	default:
		return nil, errors.New("the release before can't take " + paid.Method)
	}
	return []upcaster.Event{e}, nil
}

func TestDowncastErrorsNameTheStep(t *testing.T) {
	down := newDowncasts(t,
		upcaster.Split(v("order.paid", 2), []upcaster.Type{v("order.paid_by_card", 1), v("order.paid_in_cash", 1)}, byMethod))
	for data, want := range map[string]string{
		`{"method":"both"}`:   "it returned 2 events instead of one",
		`{"method":"shells"}`: "the release before can't take shells",
		`{"method":"panic"}`:  "panic: no such method",
		`{"method":`:          "unexpected end of JSON input",
	} {
		out, err := down.Downcast(event(v("order.paid", 2), data), codecs)
		require.EqualError(t, err, "upcaster: downcast: the step from order.paid v2 to order.paid_by_card v1 and "+
			"order.paid_in_cash v1: "+want)
		require.Zero(t, out)
	}
	t.Run("and say which codec is missing", func(t *testing.T) {
		stored := event(v("order.paid", 2), "a,b")
		stored.ContentType = "text/csv"
		_, err := down.Downcast(stored, codecs)
		require.ErrorContains(t, err, `no codec for content type "text/csv"`)
	})
}

func TestNewDowncastsChecksItsSteps(t *testing.T) {
	a1, a2, b1 := v("a", 1), v("a", 2), v("b", 1)
	for name, c := range map[string]struct {
		steps []upcaster.Step
		err   string
	}{
		"the zero Step": {[]upcaster.Step{{}}, "argument 1 of NewDowncasts: it is the zero Step"},
		"a step without a function": {[]upcaster.Step{upcaster.Map(a2, a1, nil)},
			"argument 1 of NewDowncasts: the step from a v2 to a v1 has no function"},
		"a name that can't be stored": {[]upcaster.Step{upcaster.Rename(a2, v("", 1))}, "has no name"},
		"a drop": {[]upcaster.Step{upcaster.Rename(b1, a1), upcaster.Drop(a2)},
			"argument 2 of NewDowncasts: the step that drops a v2 would have nothing stored"},
		"a step forward": {[]upcaster.Step{upcaster.Rename(a1, a2)},
			"argument 1 of NewDowncasts: the step from a v1 to a v2 goes forward to a later version"},
		"two steps from one type": {[]upcaster.Step{upcaster.Rename(a2, a1), upcaster.Rename(a2, b1)},
			"two steps take a v2: the step from a v2 to a v1 and the step from a v2 to b v1"},
		"a circle": {[]upcaster.Step{upcaster.Rename(a1, b1), upcaster.Rename(b1, a1)},
			"steps lead in a circle: a v1, then b v1, then a v1"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			down, err := upcaster.NewDowncasts(c.steps...)
			require.ErrorContains(t, err, c.err)
			require.True(t, strings.HasPrefix(err.Error(), "upcaster: "), err)
			require.Nil(t, down)
		})
	}
}
