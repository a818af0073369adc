package house_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/tidemark-go/tidemark"

// mayImport says what each package may import of this module, by path patterns. A package that does not stand here may
// import anything, and nothing that stands here may import it.
var mayImport = map[string][]string{
	"aggregate":                 {},
	"aggregate/aggregatetest":   {"aggregate"},
	"internal/decimal":          {},
	"serializer":                {"internal/decimal"},
	"upcaster":                  {},
	"eventstore/driver":         {},
	"drivers/sqltx":             {},
	"drivers/memory":            {"eventstore/driver"},
	"drivers/sqlite":            {"eventstore/driver", "drivers/sqltx"},
	"drivers/postgres":          {"eventstore/driver", "drivers/sqltx"},
	"eventstore":                {"eventstore/driver", "serializer", "upcaster"},
	"eventstore/drivertest":     {"eventstore", "eventstore/driver", "serializer"},
	"repository":                {"aggregate", "eventstore", "serializer"},
	"projection":                {"eventstore"},
	"projection/projectiontest": {"projection", "eventstore", "drivers/memory", "serializer"},
	"privacy":                   {"eventstore", "eventstore/driver", "serializer", "internal/decimal"},
}

// core is what may depend on the standard library and google/uuid only.
var core = []string{"aggregate", "serializer", "upcaster", "eventstore", "eventstore/driver", "repository", "projection", "privacy"}

type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Doc        string
	Name       string
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	lookAtAll(t)
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Standard,Imports,Doc,Name"}, args...)...)
	out, err := cmd.Output()
	require.NoError(t, err)
	var packages []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return packages
		} else {
			require.NoError(t, err)
		}
		packages = append(packages, p)
	}
}

// lookAtAll opens every directory, because go test takes an earlier result for this one unless something changed that the
// test itself has opened. What go list reads does not count.
func lookAtAll(t *testing.T) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("../..", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		return err
	}))
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		allowed, ruled := mayImport[strings.TrimPrefix(p.ImportPath, module+"/")]
		if !ruled {
			free := strings.Contains(p.ImportPath, "/examples/") || strings.Contains(p.ImportPath, "/internal/")
			require.True(t, free, "%s stands in no row of the table", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if inside, ok := strings.CutPrefix(imported, module+"/"); ok {
				require.Contains(t, allowed, inside, "%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

func TestTheCoreDependsOnTheStandardLibraryAndUUIDAlone(t *testing.T) {
	for _, name := range core {
		for _, p := range list(t, "-deps", path.Join(module, name)) {
			ours := strings.HasPrefix(p.ImportPath, module+"/")
			require.True(t, p.Standard || ours || p.ImportPath == "github.com/google/uuid", "%s depends on %s", name, p.ImportPath)
		}
	}
}

// What only a test kit needs must not reach those who store events.
func TestOnlyTheTestKitDependsOnTheHistoryChecker(t *testing.T) {
	const checker = "github.com/anishathalye/porcupine"
	for _, p := range list(t, module+"/...") {
		if p.ImportPath != module+"/eventstore/drivertest" {
			require.NotContains(t, p.Imports, checker, p.ImportPath)
			require.NotContains(t, p.Imports, module+"/eventstore/drivertest", p.ImportPath)
		}
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	for _, p := range list(t, module+"/...") {
		require.NotEmpty(t, p.Doc, p.ImportPath)
		if p.Name != "main" {
			require.True(t, strings.HasPrefix(p.Doc, "Package "+p.Name+" "), "%s: %q", p.ImportPath, p.Doc)
		}
	}
}

func TestTheTableHasNoRowForAPackageThatIsGone(t *testing.T) {
	var all []string
	for _, p := range list(t, module+"/...") {
		all = append(all, strings.TrimPrefix(p.ImportPath, module+"/"))
	}
	for name := range mayImport {
		require.True(t, slices.Contains(all, name), name)
	}
}

// Without a C compiler Go turns cgo off by itself, and a newcomer need not know.
func TestWithoutCgoTheCompilerSaysFirstWhatIsMissing(t *testing.T) {
	t.Parallel()
	build := exec.CommandContext(t.Context(), "go", "build", module+"/drivers/sqlite")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.Error(t, err)
	lines := strings.Split(string(out), "\n")
	require.Greater(t, len(lines), 1)
	require.Contains(t, lines[1], "needs_CGO_ENABLED_1_and_a_C_compiler", string(out))
}
