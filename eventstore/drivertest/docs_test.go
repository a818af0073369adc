package drivertest_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

// What docs/drivers.md shows is what happens.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/drivers.md")
	require.NoError(t, err)
	page := string(text)

	t.Run("the skeleton is the one that is compiled", func(t *testing.T) {
		source, err := os.ReadFile("skeleton_test.go")
		require.NoError(t, err)
		_, skeleton, found := strings.Cut(string(source), "func open(")
		require.True(t, found)
		require.Contains(t, page, "func open("+skeleton)
	})
	t.Run("a failing case looks like that", func(t *testing.T) {
		f := flawNamed(t, flaws(), "it tidies JSON payloads up")
		err := drivertest.Check(t.Context(), f.open, &drivertest.Options{Only: []string{"A12/JSON payloads come back byte for byte"}})
		require.Contains(t, page, err.Error())
	})
	t.Run("a history on which two drivers differ looks like that", func(t *testing.T) {
		f := flawNamed(t, modelFlaws(), "the third duplicate is not reported")
		require.Contains(t, page, drivertest.Compare(t.Context(), 4, openReference, f.open).Error())
	})
	t.Run("every capability and every hook is named", func(t *testing.T) {
		for _, name := range []string{"BatchCommitter", "Waiter", "Snapshotter", "Checkpointer", "Leaser", "DeadLetterer", "Transactor",
			"Migrator", "KeyStore", "Reopen", "Restore", "OneWriter", "OneConnection", "Damage", "Disconnect", "Remove"} {
			require.Contains(t, page, "`"+name+"`")
		}
	})
}

func flawNamed(t *testing.T, list []flaw, name string) flaw {
	i := slices.IndexFunc(list, func(f flaw) bool { return f.name == name })
	require.GreaterOrEqual(t, i, 0)
	return list[i]
}
