package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// patience is how long anything here may take.
const patience = time.Minute

// Cluster is a Postgres server with a directory of its own. Start, Stop, Kill and Close must not run at the same time.
type Cluster struct {
	bin     string              // where the binaries are
	dir     string              // holds the databases, the socket and the log
	as      *syscall.Credential // nil: as whoever runs the test
	sweeper *sweeper
	server  *server // nil while it is stopped
}

// NewCluster makes a cluster and starts it, in a new directory in place or, if that is empty, where StartCluster has it,
// whose settings these are. It is ErrNoPostgres if there are no binaries to do so.
func NewCluster(ctx context.Context, place string, settings map[string]string) (*Cluster, error) {
	bin, err := Find()
	if err != nil {
		return nil, err
	}
	as, err := account()
	if err != nil {
		return nil, err
	}
	in := []string{place}
	if place == "" {
		in = places(as, settings["fsync"] == "on")
	}
	dir, err := makeDir(in, as)
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, dir: dir, as: as}
	if c.sweeper, err = startSweeper(c); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	if err := c.create(ctx, settings); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) create(ctx context.Context, settings map[string]string) error {
	if err := c.initialize(); err != nil {
		return err
	}
	if err := c.configure(settings); err != nil {
		return err
	}
	return c.boot(ctx)
}

// DSN returns the URL of a database of this cluster; one named postgres is there from the start. It has a password, which
// the server does not ask for, so that tests can look for it where it should not be.
func (c *Cluster) DSN(database string) string {
	place := url.Values{"host": {c.dir}, "port": {"5432"}, "sslmode": {"disable"}} // the port is a part of the socket's name
	return "postgres://tidemark:s3cr3t@/" + database + "?" + place.Encode()
}

// Bin returns the path of one of Postgres' programs, such as pg_dump.
func (c *Cluster) Bin(program string) string { return filepath.Join(c.bin, program) }

// Start starts the server again, at the same address, and waits until it answers.
func (c *Cluster) Start(ctx context.Context) error {
	if c.server != nil {
		return errors.New("pgtest: the cluster is running")
	}
	for deadline := time.Now().Add(patience); ; {
		err := c.boot(ctx)
		// The children and the memory of a killed server take a moment to go, and until then a new one refuses.
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
	}
}

// Stop ends the server in good order and keeps its data. It does not wait for clients.
func (c *Cluster) Stop() error { return c.end((*server).stop) }

// Kill ends the server and all its processes at once, as a crash does, and keeps its data.
func (c *Cluster) Kill() error { return c.end((*server).kill) }

func (c *Cluster) end(how func(*server) error) error {
	if c.server == nil {
		return errors.New("pgtest: the cluster is not running")
	}
	if err := how(c.server); err != nil {
		return err
	}
	c.server = nil
	return nil
}

// Close ends the server, if it is running, and removes its data. It is called once.
func (c *Cluster) Close() error {
	err := c.sweeper.sweep()
	if c.server != nil {
		c.server.discard()
		c.server = nil
	}
	return err
}

// command runs as the cluster's account, in a directory which that may enter, and out of reach of Ctrl-C: that is for the
// tests, which still need the server while they end.
func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = c.dir
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as, Setpgid: true}
	return cmd
}

// environment is ours without what Postgres' programs take for options.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "TZ=")
	})
	return append(env, "LC_ALL=C", "TZ=UTC")
}

// write makes a file in the cluster's directory that belongs to its account.
func (c *Cluster) write(name, content string) error {
	path := filepath.Join(c.dir, name)
	err := os.WriteFile(path, []byte(content), 0o600)
	if err == nil {
		err = give(path, c.as)
	}
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return nil
}
