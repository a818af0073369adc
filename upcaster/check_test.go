package upcaster_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

// mistakes are lists of steps that must be refused, with what New says.
type mistakes map[string]struct {
	steps []upcaster.Step
	err   string
}

func (m mistakes) requireRefused(t *testing.T) {
	for name, c := range m {
		t.Run(name+" is refused", func(t *testing.T) {
			chain, err := upcaster.New(c.steps...)
			if strings.HasPrefix(c.err, "upcaster: ") {
				require.EqualError(t, err, c.err)
			}
			require.ErrorContains(t, err, c.err)
			require.Nil(t, chain)
		})
	}
}

func TestNewChecksEachStep(t *testing.T) {
	a1, a2, b1, c1 := v("a", 1), v("a", 2), v("b", 1), v("c", 1)
	mistakes{
		"the zero Step": {
			[]upcaster.Step{upcaster.Rename(a1, a2), {}},
			"upcaster: argument 2 of New: it is the zero Step; use Struct, Map, Rename, Split or Drop",
		},
		"a struct step without a function": {
			[]upcaster.Step{upcaster.Struct[placedV1, placedV2](a1, a2, nil)},
			"upcaster: argument 1 of New: the step from a v1 to a v2 has no function",
		},
		"a map step without a function": {
			[]upcaster.Step{upcaster.Map(a1, a2, nil)},
			"upcaster: argument 1 of New: the step from a v1 to a v2 has no function",
		},
		"a split without a function": {
			[]upcaster.Step{upcaster.Split(a1, []upcaster.Type{b1, c1}, nil)},
			"upcaster: argument 1 of New: the step from a v1 to b v1 and c v1 has no function",
		},
		"a split into nothing": {
			[]upcaster.Step{splitInto(a1)},
			"upcaster: argument 1 of New: the split of a v1 lists no types to split into; use Drop",
		},
		"a type without a name": {
			[]upcaster.Step{upcaster.Rename(v("", 1), a1)},
			`upcaster: argument 1 of New: the step from  v1 to a v1: type "" v1 has no name`,
		},
		"a name that is too long": {
			[]upcaster.Step{upcaster.Drop(v(strings.Repeat("x", 256), 1))}, "has a name of 256 bytes; 255 are the most",
		},
		"a name that is not UTF-8": {
			[]upcaster.Step{upcaster.Rename(a1, v("a\xff", 1))}, `type "a\xff" v1 has a name that is not valid UTF-8`,
		},
		"a name with NUL": {
			[]upcaster.Step{upcaster.Rename(a1, v("a\x00b", 1))}, `type "a\x00b" v1 has a name that contains NUL`,
		},
		"a version below 1": {
			[]upcaster.Step{upcaster.Drop(v("a", 0)), upcaster.Rename(b1, v("b", -1))},
			"upcaster: argument 1 of New: the step that drops a v0: type \"a\" v0 has a version below 1\n" +
				"upcaster: argument 2 of New: the step from b v1 to b v-1: type \"b\" v-1 has a version below 1",
		},
		"a step back": {
			[]upcaster.Step{upcaster.Rename(a2, a1)},
			"upcaster: argument 1 of New: the step from a v2 to a v1 goes back to an earlier version",
		},
	}.requireRefused(t)
}

func TestNewChecksHowStepsFitTogether(t *testing.T) {
	a1, a2, a3, a4, b1, c1 := v("a", 1), v("a", 2), v("a", 3), v("a", 4), v("b", 1), v("c", 1)
	mistakes{
		"two steps from one type": {
			[]upcaster.Step{upcaster.Rename(a1, a2), upcaster.Drop(a1)},
			"upcaster: two steps take a v1: the step from a v1 to a v2 and the step that drops a v1",
		},
		"a step to where it started": {
			[]upcaster.Step{upcaster.Rename(a1, a1)}, "upcaster: steps lead in a circle: a v1, then a v1",
		},
		"a circle": {
			[]upcaster.Step{upcaster.Rename(c1, a1), upcaster.Rename(a1, b1), splitInto(b1, a2, c1)},
			"upcaster: steps lead in a circle: c v1, then a v1, then b v1, then c v1",
		},
		"a gap between two versions": {
			[]upcaster.Step{upcaster.Rename(a1, a2), upcaster.Rename(a3, a4)},
			"upcaster: a step from a v2 is missing: the step from a v1 to a v2 ends there, " +
				"but the step from a v3 to a v4 is about a later version",
		},
		"two ends of one name": {
			[]upcaster.Step{upcaster.Rename(a1, a2), splitInto(b1, c1, a3)},
			"upcaster: a step from a v2 is missing: the step from a v1 to a v2 ends there, " +
				"but the step from b v1 to c v1 and a v3 is about a later version",
		},
		"an end below a version that is dropped": {
			[]upcaster.Step{upcaster.Rename(a1, a2), upcaster.Drop(a3)},
			"upcaster: a step from a v2 is missing: the step from a v1 to a v2 ends there, " +
				"but the step that drops a v3 is about a later version",
		},
		"a way back through another name": {
			[]upcaster.Step{upcaster.Rename(a2, b1), upcaster.Rename(b1, a1)},
			"upcaster: a step from a v1 is missing: the step from b v1 to a v1 ends there, " +
				"but the step from a v2 to b v1 is about a later version",
		},
	}.requireRefused(t)
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := upcaster.New(
		upcaster.Rename(v("a", 1), v("b", 1)), upcaster.Rename(v("b", 1), v("a", 1)),
		upcaster.Rename(v("c", 1), v("c", 2)), upcaster.Rename(v("c", 3), v("c", 4)),
	)
	require.ErrorContains(t, err, "steps lead in a circle: a v1, then b v1, then a v1\n")
	require.ErrorContains(t, err, "a step from c v2 is missing")
}

func TestNewAccepts(t *testing.T) {
	for name, steps := range map[string][]upcaster.Step{
		"versions that are left out": {upcaster.Rename(v("a", 1), v("a", 5)), upcaster.Rename(v("a", 3), v("a", 5))},
		"versions that are dates":    {upcaster.Rename(v("a", 20230401), v("a", 20240229))},
		"two ways to one type":       {upcaster.Rename(v("a", 1), v("c", 1)), upcaster.Rename(v("b", 1), v("c", 1))},
		"a split that keeps a part": {
			splitInto(v("a", 1), v("a", 2), v("b", 1)), upcaster.Rename(v("a", 2), v("a", 3)),
		},
		"an early version that is dropped": {upcaster.Drop(v("a", 1)), upcaster.Rename(v("a", 2), v("a", 3))},
		"a type listed twice":              {splitInto(v("a", 1), v("b", 1), v("b", 1))},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := upcaster.New(steps...)
			require.NoError(t, err)
		})
	}
}
