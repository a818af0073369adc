package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Cluster is a Postgres server with a folder of its own, on a port of 127.0.0.1 that was free. It ends with this
// process, however that ends. Its methods are not safe for concurrent use.
type Cluster struct {
	bin      string
	dir      string
	port     int
	settings map[string]string
	as       *syscall.Credential // nil: as whoever runs the test
	server   *server             // nil while it is stopped
}

// throwAway are the settings of a cluster whose content nobody needs after a power failure.
var throwAway = map[string]string{
	"fsync":                   "off",
	"full_page_writes":        "off",
	"max_connections":         "300",
	"listen_addresses":        "127.0.0.1",
	"unix_socket_directories": "",
	"timezone":                "UTC",
	"log_min_messages":        "fatal",
}

// StartCluster starts a server for one test, and removes it when the test ends. settings come on top of those of a
// throw-away cluster, which does not sync to disk. Without Postgres the test is skipped, loudly.
func StartCluster(tb testing.TB, settings map[string]string) *Cluster {
	tb.Helper()
	c, err := NewCluster(context.Background(), settings)
	if errors.Is(err, ErrNoPostgres) {
		skip(tb, err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// NewCluster makes a cluster and starts it. It is ErrNoPostgres if there are no binaries to do so.
func NewCluster(ctx context.Context, settings map[string]string) (*Cluster, error) {
	c := &Cluster{settings: settings}
	var err error
	if c.bin, err = Find(); err != nil {
		return nil, err
	}
	if c.as, err = unprivileged(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	if c.as != nil {
		err = os.Chown(c.dir, int(c.as.Uid), int(c.as.Gid))
	}
	if err == nil {
		err = c.run(ctx, "initdb", "--pgdata", c.data(), "--username", "tidemark", "--auth", "trust",
			"--encoding", "UTF8", "--locale", "C", "--no-sync")
	}
	if err == nil {
		err = c.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	return c, nil
}

// DSN returns the URL of a database of this cluster. It has a password, which the server does not ask for, so that
// tests can look for it where it should not be.
func (c *Cluster) DSN(database string) string {
	return fmt.Sprintf("postgres://tidemark:s3cr3t@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

// Bin returns the path of one of Postgres' programs, such as pg_dump.
func (c *Cluster) Bin(program string) string { return filepath.Join(c.bin, program) }

// Start starts the server and waits until it answers. After the first time it is on the same port again.
func (c *Cluster) Start(ctx context.Context) error {
	if c.server != nil {
		return errors.New("pgtest: the cluster is running")
	}
	fixed := c.port != 0
	for try := 0; ; try++ {
		// A free port may be taken by somebody else before we are there, and after a crash the last children of the old
		// server may hold its memory for a moment.
		var err error
		if !fixed {
			c.port, err = freePort()
		}
		if err == nil {
			err = c.start(ctx)
		}
		if err == nil || ctx.Err() != nil || try == 10 {
			return err
		}
	}
}

func (c *Cluster) start(ctx context.Context) error {
	args := []string{"-D", c.data(), "-p", strconv.Itoa(c.port)}
	for _, settings := range []map[string]string{throwAway, c.settings} {
		for name, value := range settings {
			args = append(args, "-c", name+"="+value)
		}
	}
	s, err := startServer(c.command(ctx, c.Bin("postgres"), args...), c.dir)
	if err != nil {
		return err
	}
	if err := s.answers(ctx, c.DSN("postgres")); err != nil {
		s.end(syscall.SIGQUIT)
		return err
	}
	c.server = s
	return nil
}

// Kill ends the server as a crash does.
func (c *Cluster) Kill() error { return c.stop(syscall.SIGKILL) }

// Stop ends the server in good order and keeps its data. It does not wait for clients.
func (c *Cluster) Stop() error { return c.stop(syscall.SIGINT) }

// Close ends the server, if it is running, and removes its data.
func (c *Cluster) Close() error {
	if c.server != nil {
		c.server.end(syscall.SIGQUIT)
		c.server = nil
	}
	return os.RemoveAll(c.dir)
}

func (c *Cluster) stop(signal syscall.Signal) error {
	if c.server == nil {
		return errors.New("pgtest: the cluster is not running")
	}
	c.server.end(signal)
	c.server = nil
	return nil
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) run(ctx context.Context, program string, args ...string) error {
	out, err := c.command(ctx, c.Bin(program), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pgtest: %s: %w: %s", program, err, out)
	}
	return nil
}

// command runs as a user that Postgres accepts, in a folder which that user can enter.
func (c *Cluster) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	// A process group of its own: Ctrl-C is for the tests, which end the server when they are done.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as, Setpgid: true}
	return cmd
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("pgtest: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
