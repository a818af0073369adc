package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// server is a running postmaster.
type server struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed by the goroutine that waits for it
}

// boot starts the server and waits until it answers.
func (c *Cluster) boot(ctx context.Context) error {
	s, err := c.spawn()
	if err != nil {
		return err
	}
	if err := c.await(ctx, s); err != nil {
		s.discard()
		return fmt.Errorf("pgtest: the server did not start: %w: %s", err, c.logTail())
	}
	c.server = s
	return nil
}

func (c *Cluster) spawn() (*server, error) {
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	defer log.Close()
	s := &server{cmd: c.command(c.Bin("postgres"), "-D", "data", "-p", "5432"), ended: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // what it says is in ProcessState too
	}()
	return s, nil
}

// await asks again and again until the server answers or ends.
func (c *Cluster) await(ctx context.Context, s *server) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := Ping(ctx, c.DSN("postgres"))
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.ended:
			return errors.New(s.cmd.ProcessState.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (c *Cluster) log() string { return filepath.Join(c.dir, "log") }

// logTail returns the end of the server's log, which says why it did not start.
func (c *Cluster) logTail() []byte {
	log, _ := os.ReadFile(c.log()) // what can't be read tells nothing
	return log[max(0, len(log)-2000):]
}

// stop has the server cut its connections, write everything out and end.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("pgtest: stopping the server: %w", err)
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("pgtest: the server has not stopped within %v", patience)
	}
}

// kill halts the postmaster first, so that it can neither react to the death of its children nor have more of them. One
// whose disk has failed may have ended by itself.
func (s *server) kill() error {
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("pgtest: killing the server: %w", err)
	}
	for _, child := range children(s.cmd.Process.Pid) {
		_ = syscall.Kill(child, syscall.SIGKILL) // it may have ended by itself
	}
	s.discard()
	return nil
}

// discard kills the postmaster, if it still runs, and waits for its end.
func (s *server) discard() {
	_ = s.cmd.Process.Kill() // the error says that it has ended
	<-s.ended
}

// children returns the processes with the given parent. Where there is no /proc it finds none, and what a killed server
// leaves behind ends as soon as it notices.
func children(parent int) []int {
	var found []int
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, file := range files {
		stat, _ := os.ReadFile(file) // who has ended meanwhile is nobody's child
		// "pid (name) state parent ...", and the name may hold anything.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			found = append(found, pid)
		}
	}
	return found
}
