package pgtest

import (
	_ "embed" // for sweep.sh
	"fmt"
	"io"
	"os/exec"
)

//go:embed sweep.sh
var sweepScript string

// sweeper is a process that waits until this one lets go of a pipe, be it by its death, and then cleans up. It is there
// before there is anything to clean up.
type sweeper struct {
	cmd  *exec.Cmd
	hold io.Closer
}

func startSweeper(c *Cluster) (*sweeper, error) {
	cmd := c.command("/bin/sh", "-c", sweepScript, "sweep.sh", c.Bin("pg_ctl"), c.dir)
	cmd.Dir = "/" // while it waits it is in nobody's way who unmounts the place
	hold, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("pgtest: starting the process that cleans up: %w", err)
	}
	return &sweeper{cmd: cmd, hold: hold}, nil
}

// sweep has it clean up now and waits for that.
func (s *sweeper) sweep() error {
	_ = s.hold.Close() // a pipe that is closed already is as good
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("pgtest: cleaning up: %w", err)
	}
	return nil
}
