// Package pgtest gives each test a Postgres database of its own.
//
// The server is the one that TIDEMARK_TEST_POSTGRES names, else a throw-away cluster of the test process, made from the
// binaries on this machine. Tests that kill or restart the server make a [Cluster] of their own.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver for what this package does itself
)

// Env is the environment variable with the URL of a server whose role may create databases.
const Env = "TIDEMARK_TEST_POSTGRES"

// shared is the process's cluster. It needs no end: it goes when the process does.
var shared = sync.OnceValues(func() (*Cluster, error) { return NewCluster(context.Background(), nil) })

// DSN returns the URL of a new, empty database, which is dropped when the test ends. The test is skipped, loudly, if
// there is no Postgres on this machine.
func DSN(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv(Env)
	if server == "" {
		cluster, err := shared()
		if errors.Is(err, ErrNoPostgres) {
			skip(tb, err)
		}
		if err != nil {
			tb.Fatal(err)
		}
		server = cluster.DSN("postgres")
	}
	return createDatabase(tb, server)
}

// skip also writes to the terminal, because go test keeps the reason for a skip to itself.
func skip(tb testing.TB, reason error) {
	tb.Helper()
	if tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
		fmt.Fprintf(tty, "SKIPPED %s: %v\n", tb.Name(), reason)
		_ = tty.Close()
	}
	tb.Skip(reason)
}

func createDatabase(tb testing.TB, server string) string {
	tb.Helper()
	name := "tidemark_" + strings.ToLower(rand.Text()[:16])
	dsn, err := withDatabase(server, name)
	if err != nil {
		tb.Fatal(err)
	}
	// The test's own context has ended when its database is dropped.
	ctx := context.Background()
	if err := execute(ctx, server, `CREATE DATABASE `+name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := execute(ctx, server, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			tb.Error(err)
		}
	})
	return dsn
}

func withDatabase(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", fmt.Errorf("pgtest: %s is not a URL as postgres://user@host:5432/postgres", Env)
	}
	u.Path = "/" + name
	return u.String(), nil
}

func execute(ctx context.Context, server, statement string) error {
	db, err := sqlx.Open("postgres", server)
	if err == nil {
		_, err = db.ExecContext(ctx, statement)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return fmt.Errorf("pgtest: %s: %w", statement, err)
	}
	return nil
}
