package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// followerEnv tells a copy of this program to follow a log: a position and a place. For each event it prints the time.
const followerEnv = "TIDEMARK_BENCH_FOLLOW"

// follower is such a copy, seen from here.
type follower struct {
	cmd      *exec.Cmd
	hold     io.Closer // when it is closed, the follower ends
	arrivals chan time.Time
}

func startFollower(ctx context.Context, place string, after int64) (*follower, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", followerEnv, after, place))
	cmd.Stderr = os.Stderr
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f := &follower{cmd: cmd, hold: hold, arrivals: make(chan time.Time, 16)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go f.read(out)
	time.Sleep(500 * time.Millisecond) // until it listens
	return f, nil
}

func (f *follower) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if nanos, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
			f.arrivals <- time.Unix(0, nanos)
		}
	}
}

func (f *follower) stop() error {
	_ = f.hold.Close()
	return f.cmd.Wait()
}

// follow is what such a copy does.
func follow(what string) error {
	position, place, _ := strings.Cut(what, " ")
	after, err := strconv.ParseInt(position, 10, 64)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until our maker closes it, or dies
		cancel()
	}()
	store, err := openPlace(ctx, place)
	if err != nil {
		return err
	}
	for _, err := range store.Subscribe(ctx, after, nil) {
		if err != nil {
			break // the context's end, as a rule
		}
		fmt.Println(time.Now().UnixNano())
	}
	return store.Close()
}

func openPlace(ctx context.Context, place string) (*eventstore.Store, error) {
	var drv driver.Store
	var err error
	if strings.HasPrefix(place, "postgres:") {
		drv, err = postgres.Open(ctx, place, nil)
	} else {
		drv, err = sqlite.Open(ctx, place, nil)
	}
	if err != nil {
		return nil, err
	}
	return eventstore.New(drv, registry(), nil)
}
