// Command bench measures Tidemark beside the widespread ways of keeping events in the same databases, and beside what
// these databases can do at most.
//
// All of it happens in one run, on databases of its own, with the durability that their makers ship: Postgres with fsync
// and synchronous_commit on, SQLite with a write-ahead log and synchronous FULL. Those that are compared take turns,
// round after round; a ratio is taken in each round, and its median and spread over the rounds are what counts. After
// each turn the stored rows are counted, and a run in which they are not what was written fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
)

func main() {
	if dsn := os.Getenv(followerEnv); dsn != "" {
		exit(follow(dsn))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, os.Args[1:]))
}

func exit(err error) {
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// settings are what the command line says.
type settings struct {
	scale  scale
	only   *regexp.Regexp
	out    string
	orders string
	dir    string
	pprof  string
	args   []string
}

func parse(args []string) (settings, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "small sizes and short turns: does everything work?")
	full := flags.Bool("full", false, "the largest sizes too: a store of 10 million events")
	only := flags.String("only", "", "only contests whose name matches this pattern, such as postgres/append")
	rounds := flags.Int("rounds", 0, "rounds of each contest, beside two more for appends on Postgres (default 3, with -full 5)")
	s := settings{args: args}
	flags.StringVar(&s.out, "out", "", "write the report to this Markdown file, and its pictures to a directory beside it")
	flags.StringVar(&s.orders, "orders", os.Getenv("TIDEMARK_BENCH_ORDERS"),
		"a CSV file of orders to import, as examples/order reads them")
	flags.StringVar(&s.dir, "dir", os.TempDir(), "where the SQLite files go; name a real disk")
	flags.StringVar(&s.pprof, "cpuprofile", "", "write a CPU profile of this process; combine with -only")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	var err error
	s.scale = chooseScale(*quick, *full, *rounds)
	s.only, err = regexp.Compile(*only)
	return s, err
}

func run(ctx context.Context, args []string) (err error) {
	s, err := parse(args)
	if err != nil {
		return err
	}
	stopProfile, err := startProfile(s.pprof)
	if err != nil {
		return err
	}
	defer stopProfile()
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, c := range contests() {
		if err := b.hold(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return b.report()
}

func startProfile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // nothing to do about a profile that is not written
	}, err
}
