package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// ErrNoPostgres says that there are no Postgres binaries on this machine, and what to do.
var ErrNoPostgres = errors.New("no Postgres found: set " + Env + " to the URL of one " +
	"(postgres://user:password@host:5432/postgres, a role that may create databases), " +
	"or install its server (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql)")

// Find returns the folder of the newest Postgres binaries: where PATH finds them, or where Debian, Red Hat and Homebrew
// put them.
func Find() (string, error) {
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin"} {
		folders, _ := filepath.Glob(filepath.Join(pattern, "initdb")) // the patterns are well-formed
		found = append(found, folders...)
	}
	slices.SortFunc(found, func(a, b string) int { return major(b) - major(a) })
	if onPath, err := exec.LookPath("initdb"); err == nil {
		found = append([]string{onPath}, found...)
	}
	for _, initdb := range found {
		folder := filepath.Dir(initdb)
		if _, err := os.Stat(filepath.Join(folder, "postgres")); err == nil {
			return folder, nil
		}
	}
	return "", ErrNoPostgres
}

// major reads a version from the digits in a path: 15 from /usr/lib/postgresql/15/bin.
func major(path string) int {
	n := 0
	for _, c := range path {
		if '0' <= c && c <= '9' {
			n = n*10 + int(c-'0')
		}
	}
	return n
}

// unprivileged returns a user to run Postgres as, which refuses to run as root; nil if we are not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("pgtest: we are root, Postgres refuses to run as root, and there is no user postgres or nobody")
}
