// Command with runs a command with a Postgres for its tests: with TIDEMARK_TEST_POSTGRES set to the address of a
// server, as a superuser. If it is set already, it stays; else a throw-away cluster runs as long as the command.
// Where there are no binaries for one, it installs Debian's package if it may.
//
//	go run ./internal/pgtest/with go test ./...
//
// Without a command it starts one for playing, prints its URL, and runs until Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := run(ctx, os.Args[1:])
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command []string) error {
	if len(command) == 0 {
		return play(ctx)
	}
	if dsn := os.Getenv(pgtest.Env); dsn != "" {
		return withGiven(ctx, dsn, command)
	}
	return withCluster(ctx, pgtest.Shared, func(dsn string) error { return execute(ctx, dsn, command) })
}

// withGiven looks at the server first: one message is better than one from each test.
func withGiven(ctx context.Context, dsn string, command []string) error {
	if err := pgtest.Ping(ctx, dsn); err != nil {
		return fmt.Errorf("the Postgres that %s names does not answer: %w", pgtest.Env, err)
	}
	return execute(ctx, dsn, command)
}

func play(ctx context.Context) error {
	return withCluster(ctx, map[string]string{"timezone": "UTC"}, func(dsn string) error {
		fmt.Printf("Postgres is running until Ctrl-C, which throws away what is in it:\n%s\n", dsn)
		<-ctx.Done()
		return nil
	})
}

func withCluster(ctx context.Context, settings map[string]string, use func(dsn string) error) (err error) {
	cluster, err := pgtest.NewCluster(ctx, "", settings)
	if errors.Is(err, pgtest.ErrNoPostgres) {
		if failed := install(ctx); failed != nil {
			return errors.Join(err, failed)
		}
		cluster, err = pgtest.NewCluster(ctx, "", settings)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	return use(cluster.DSN("postgres"))
}

// execute passes a signal on, which the terminal's Ctrl-C does by itself, and waits: the command may need the server to
// end well.
func execute(ctx context.Context, dsn string, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Env = append(os.Environ(), pgtest.Env+"="+dsn)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
