// Package pgtest gives each test a Postgres database of its own, or a server of its own where the test kills it.
//
// The databases stand on the server that TIDEMARK_TEST_POSTGRES names, else on a throw-away cluster of the test process,
// made from the binaries on this machine. Where there are none either, the test is skipped. make test leaves no room for
// that: it finds, starts or installs a Postgres first, by way of the command in with, and exports its address.
//
// A cluster listens on a Unix socket in a directory that only its own account and root may enter, so no port is taken and
// any number of them run side by side. Under root, which Postgres refuses to run as, it runs as postgres or nobody.
// However the process that made it ends, by kill -9 too, the server is stopped and the directory removed.
//
// The package runs where Unix does.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Env is the environment variable with the URL of a server, as a superuser: the tests make databases and roles.
const Env = "TIDEMARK_TEST_POSTGRES"

// Shared are the settings of a cluster that many tests share, none of which kills it: nobody will replay its log, so it
// writes as little of it as may be, which makes databases and tables cheaper.
var Shared = map[string]string{"wal_level": "minimal", "max_wal_senders": "0"}

// shared is the process's cluster, made when first asked for. It needs no end: it goes when the process does.
var shared = sync.OnceValues(func() (*Cluster, error) { return NewCluster(context.Background(), "", Shared) })

// DSN returns the URL of a new, empty database, which is dropped when the test has ended, whoever is still connected to
// it. The test is skipped, loudly, if there is no Postgres to be had, and fails if there is one that does not work.
func DSN(tb testing.TB) string {
	tb.Helper()
	server, err := address()
	need(tb, err)
	return createDatabase(tb, server)
}

// StartCluster starts a server for one test, and removes it when the test has ended. That takes one to two seconds: it is
// for tests that kill the server, change its settings or compare two. settings go over those of a throw-away cluster,
// which does not sync to disk, and is in memory where there is room; {"fsync": "on"} puts it on disk. The test is skipped,
// loudly, if Postgres is not installed on this machine, even if DSN has a server elsewhere.
func StartCluster(tb testing.TB, settings map[string]string) *Cluster {
	tb.Helper()
	return StartClusterIn(tb, "", settings)
}

// StartClusterIn is StartCluster with the server's directory in a place of the test's own, whose path is short: the path of
// a socket may have some 100 bytes only.
func StartClusterIn(tb testing.TB, place string, settings map[string]string) *Cluster {
	tb.Helper()
	c, err := NewCluster(context.Background(), place, settings)
	need(tb, err)
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func address() (string, error) {
	if server := os.Getenv(Env); server != "" {
		return server, nil
	}
	c, err := shared()
	if err != nil {
		return "", err
	}
	return c.DSN("postgres"), nil
}

// need skips the test if Postgres is missing, and fails it if anything else is wrong.
func need(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case errors.Is(err, ErrNoPostgres):
		announce()
		tb.Skip(err)
	case err != nil:
		tb.Fatal(err)
	}
}

// announce tells the terminal, once a process, that tests are skipped: go test hides what packages that pass have to say.
var announce = sync.OnceFunc(func() {
	out, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		out = os.Stderr
	} else {
		defer out.Close()
	}
	fmt.Fprintf(out, "%s SKIPS TESTS: %v\n", os.Args[0], ErrNoPostgres)
})
