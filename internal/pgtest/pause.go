package pgtest

import (
	"errors"
	"fmt"
	"syscall"
)

// Pause halts the server and all its processes where they are, as a machine does that hangs: connections stay open, new ones
// are made, and nobody answers.
func (c *Cluster) Pause() error { return c.signal(syscall.SIGSTOP) }

// Resume lets the server go on after Pause.
func (c *Cluster) Resume() error { return c.signal(syscall.SIGCONT) }

// signal goes to the postmaster first, so that it has no more children meanwhile.
func (c *Cluster) signal(what syscall.Signal) error {
	if c.server == nil {
		return errors.New("pgtest: the cluster is not running")
	}
	postmaster := c.server.cmd.Process.Pid
	if err := syscall.Kill(postmaster, what); err != nil {
		return fmt.Errorf("pgtest: %v to the server: %w", what, err)
	}
	for _, child := range children(postmaster) {
		_ = syscall.Kill(child, what) // it may have ended by itself
	}
	return nil
}
