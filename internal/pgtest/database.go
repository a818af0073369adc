package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver for what this package does itself
)

// Ping returns nil if the server answers.
func Ping(ctx context.Context, dsn string) error {
	return execute(ctx, dsn, `SELECT 1`)
}

// createDatabase copies template0, to which nobody can be connected: two copies of template1 get into each other's way.
func createDatabase(tb testing.TB, server string) string {
	tb.Helper()
	name := "tidemark_test_" + strings.ToLower(rand.Text()[:16])
	dsn, err := withDatabase(server, name)
	if err != nil {
		tb.Fatal(err)
	}
	administer := func(statement string) error {
		// The test's own context is over when its database is dropped.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return execute(ctx, server, statement)
	}
	if err := administer(`CREATE DATABASE ` + name + ` TEMPLATE template0`); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := administer(`DROP DATABASE ` + name + ` WITH (FORCE)`); err != nil {
			tb.Error(err)
		}
	})
	return dsn
}

// withDatabase returns the URL of another database on the same server.
func withDatabase(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", fmt.Errorf("pgtest: %s is not a URL as postgres://user:password@host:5432/postgres", Env)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// execute runs one statement on a connection of its own.
func execute(ctx context.Context, dsn, statement string) error {
	db, err := sqlx.Open("postgres", dsn)
	if err == nil {
		_, err = db.ExecContext(ctx, statement)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return fmt.Errorf("pgtest: %s: %w", statement, err)
	}
	return nil
}
