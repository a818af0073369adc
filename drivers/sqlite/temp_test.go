package sqlite_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// A TEMP table stays on the connection on which it was made, and there it hides a table of the file that has its name.
func TestAppendsGoIntoTheFileBesideATempTableOfEvents(t *testing.T) {
	s := open(t, inFile(t), nil)
	require.NoError(t, in(t.Context(), s, func(ctx context.Context) error {
		_, err := sqlIn(t, ctx).Exec(`CREATE TEMP TABLE events AS SELECT * FROM events`)
		return err
	}))
	commit(t, t.Context(), s, appends(order("1"), driver.NoStream, 1))
	commit(t, t.Context(), s, appends(order("1"), driver.Any, 2))
	require.Len(t, readStream(t, t.Context(), s, order("1")), 3)
	requireRows(t, s, `SELECT count(*) FROM temp.events`, 0)
}

func TestEveryStatementNamesItsTablesWithTheirDatabase(t *testing.T) {
	var tables []string
	require.NoError(t, open(t, ":memory:", nil).DB().Select(&tables, `SELECT name FROM sqlite_schema WHERE type = 'table'`))
	require.Contains(t, tables, "sqlite_sequence")
	tables = append(tables, "sqlite_schema", "sqlite_master")
	reference := `(?i)\b(FROM|JOIN|INTO|UPDATE|CREATE TABLE|EXISTS)\s+`
	names := `(` + strings.Join(tables, "|") + `)\b`
	bare, qualified := regexp.MustCompile(reference+names), regexp.MustCompile(reference+`main\.`+names)
	found := 0
	for _, text := range statements(t) {
		require.NotRegexp(t, bare, text, "a TEMP table of a user's would take its place: write main. before it")
		found += len(qualified.FindAllString(text, -1))
	}
	require.Greater(t, found, 20)
}

// statements returns every text in the sources of the package, and the migrations.
func statements(t *testing.T) (texts []string) {
	t.Helper()
	for _, pattern := range []string{"*.go", "migrations/*.sql"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			switch {
			case strings.HasSuffix(name, "_test.go"):
			case strings.HasSuffix(name, ".go"):
				texts = append(texts, literals(t, name)...)
			default:
				sql, err := os.ReadFile(name)
				require.NoError(t, err)
				texts = append(texts, string(sql))
			}
		}
	}
	return texts
}

func literals(t *testing.T, name string) (texts []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
			texts = append(texts, text.Value)
		}
		return true
	})
	return texts
}
