package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/jmoiron/sqlx"
)

// server is a running postmaster and a guard that outlives us to end it.
type server struct {
	cmd    *exec.Cmd
	output bytes.Buffer // complete once ended is closed
	ended  chan struct{}
	guard  *exec.Cmd
	alive  io.Closer // the guard's standard input
}

// guardScript waits for the end of its standard input, which comes when we close it or are gone, however that happened.
// By then we may have ended the server ourselves: whose id was reused in between is not asked for more than one moment.
const guardScript = `read word
[ "$word" = ended ] && exit
kill -QUIT "$1" 2>/dev/null
while kill -0 "$1" 2>/dev/null; do sleep 0.1; done
rm -rf "$2"`

func startServer(cmd *exec.Cmd, dir string) (*server, error) {
	s := &server{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	go func() {
		_ = cmd.Wait() // its exit code tells nothing that its output does not
		close(s.ended)
	}()
	s.guard = exec.Command("/bin/sh", "-c", guardScript, "pgtest-guard", strconv.Itoa(cmd.Process.Pid), dir)
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must not reach it
	stdin, err := s.guard.StdinPipe()
	if err == nil {
		s.alive, err = stdin, s.guard.Start()
	}
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	return s, nil
}

// answers waits until the server takes connections.
func (s *server) answers(ctx context.Context, dsn string) error {
	db, err := sqlx.Open("postgres", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.ended:
			return fmt.Errorf("pgtest: the server did not start: %s", s.output.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// end sends a signal, and returns when the server is gone.
func (s *server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal) // it may be gone already
	<-s.ended
	_, _ = io.WriteString(s.alive.(io.Writer), "ended\n")
	_ = s.alive.Close()
	_ = s.guard.Wait()
}
