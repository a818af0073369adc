// Command with runs a command with a Postgres for its tests: with TIDEMARK_TEST_POSTGRES set to the URL of a server
// that may create databases. If it is set already, it stays; else a throw-away cluster runs as long as the command.
// Where there are no binaries for one, it installs Debian's package if it may.
//
//	go run ./internal/pgtest/with go test ./...
//
// Without a command it prints the URL, for playing, and runs until Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func main() {
	err := run(os.Args[1:])
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(command []string) error {
	// The command gets the terminal's Ctrl-C itself; we wait for it, then stop the server.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	dsn := os.Getenv(pgtest.Env)
	if dsn == "" {
		cluster, err := start(ctx)
		if err != nil {
			return err
		}
		defer cluster.Close()
		dsn = cluster.DSN("postgres")
	}
	if len(command) == 0 {
		fmt.Printf("Postgres is running until Ctrl-C:\n%s\n", dsn)
		<-ctx.Done()
		return nil
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), pgtest.Env+"="+dsn)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

func start(ctx context.Context) (*pgtest.Cluster, error) {
	cluster, err := pgtest.NewCluster(ctx, nil)
	if !errors.Is(err, pgtest.ErrNoPostgres) {
		return cluster, err
	}
	if failed := install(ctx); failed != nil {
		return nil, errors.Join(err, failed)
	}
	return pgtest.NewCluster(ctx, nil)
}

// installation keeps Debian's package from starting a server of its own.
const installation = `set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends postgresql-common
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/tidemark.conf
apt-get install -q -y --no-install-recommends postgresql`

// install installs Postgres as Debian's package, as root or by sudo without a password.
func install(ctx context.Context) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("pgtest: can't install it: %w", err)
	}
	args := []string{"sh", "-c", installation}
	if os.Getuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	fmt.Fprintln(os.Stderr, "No Postgres found; installing Debian's package.")
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pgtest: can't install it: %w", err)
	}
	return nil
}
