package pgtest

import (
	"cmp"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// ErrNoPostgres says that there are no Postgres binaries on this machine, and what to do.
var ErrNoPostgres = errors.New("no Postgres found: set " + Env + " to the URL of one " +
	"(postgres://user:password@host:5432/postgres, a superuser), " +
	"or install its server (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql)")

// installations are where Debian, Red Hat and Homebrew put the binaries.
var installations = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin"}

// Find returns the directory of the Postgres binaries: that of those on PATH, else that of the newest installation.
func Find() (string, error) { return find(installations) }

func find(installations []string) (string, error) {
	for _, dir := range append(onPath(), newestFirst(installations)...) {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", ErrNoPostgres
}

// onPath follows links first: some machines have links to a few of the binaries on PATH, and all of them beside the targets.
func onPath() []string {
	var dirs []string
	for _, program := range []string{"initdb", "postgres"} {
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs
}

func newestFirst(patterns []string) []string {
	var dirs []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		dirs = append(dirs, found...)
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(release(b), release(a)) })
	return dirs
}

var number = regexp.MustCompile(`\d+`)

// release reads the first number in a path, 15 from /usr/lib/postgresql/15/bin, or 0 if there is none.
func release(path string) int {
	n, _ := strconv.Atoi(number.FindString(path))
	return n
}

func complete(dir string) bool {
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}
