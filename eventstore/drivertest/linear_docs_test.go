package drivertest_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

// What docs/reliability.md says about planted mistakes, and docs/drivers.md about histories, is what happens.
func TestReliabilityDocumentation(t *testing.T) {
	reliability := document(t, "reliability.md")

	t.Run("every rule stands there with its text", func(t *testing.T) {
		var want [][]string
		for _, r := range drivertest.Rules() {
			want = append(want, []string{code(r.Name), r.Text})
		}
		require.Equal(t, want, tableUnder(t, reliability, "| rule |"))
	})
	t.Run("every mutant stands there with its rules, and nothing else", func(t *testing.T) {
		var want [][]string
		for _, m := range mutants() {
			want = append(want, []string{m.name, code(m.rules...)})
		}
		require.Equal(t, want, tableUnder(t, reliability, "| planted mistake |"))
	})
	t.Run("the mistakes that everybody asks for have their broken drivers, their cases and their mutants", func(t *testing.T) {
		for _, row := range tableUnder(t, reliability, "| mistake |") {
			var cases []string
			for _, c := range flawNamed(t, flaws(), row[1]).catches {
				cases = append(cases, c.at)
			}
			require.Equal(t, code(cases...), row[2], row[0])
			known := func(m mutant) bool { return m.name == row[3] }
			require.True(t, row[3] == "none" || slices.ContainsFunc(mutants(), known), "%s: no mutant %q", row[0], row[3])
		}
	})
}

func TestHistoriesInTheDocumentation(t *testing.T) {
	drivers := document(t, "drivers.md")

	t.Run("the driver with a mistake is the one that is compiled", func(t *testing.T) {
		source, err := os.ReadFile("linear_example_test.go")
		require.NoError(t, err)
		_, example, found := strings.Cut(string(source), "// unguarded ")
		require.True(t, found)
		require.Contains(t, drivers, "// unguarded "+example)
	})
	t.Run("its mistake is found, and the rule is shown", func(t *testing.T) {
		var v *drivertest.Violation
		for seed := uint64(1); v == nil && seed <= 200; seed++ {
			errors.As(drivertest.CheckHistory(t.Context(), openUnguarded, &drivertest.HistoryOptions{Seed: seed}), &v)
		}
		require.NotNil(t, v, "no history shows the mistake")
		heading, _, _ := strings.Cut(v.Error(), "\n")
		_, broken, _ := strings.Cut(heading, ": broken: ")
		require.Contains(t, drivers, broken)
	})
}

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	require.NoError(t, err)
	return string(text)
}

// code is how a list of names stands in a table.
func code(names ...string) string { return "`" + strings.Join(names, "`, `") + "`" }

// tableUnder returns the cells of the rows of the one table whose head begins like that.
func tableUnder(t *testing.T, page, head string) [][]string {
	t.Helper()
	require.Equal(t, 1, strings.Count(page, "\n"+head), "tables that begin with %q", head)
	_, table, _ := strings.Cut(page, "\n"+head)
	table, _, _ = strings.Cut(table, "\n\n")
	var rows [][]string
	for _, line := range strings.Split(table, "\n")[2:] {
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	return rows
}
