// Command order is a tour of Tidemark on the books of a small shop.
//
//	go run ./examples/order
//
// Its packages are what an application is made of: order is the domain, sales a read model, orderfile an import. This one
// puts them together on a database; desk.go is where to begin.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tidemark-go/tidemark/examples/order/orderfile"
)

const usage = `Usage: order [flags] [command]

Without a command it takes you on a tour of the framework, on a database in memory unless you name another.

Commands:
  show ID    print the history of one order
  report     print the read model: revenue and best-selling items
  replay     build the read model again, from the events
  forget N   destroy the key of customer N: names and addresses of that customer can't be read any more

Flags, which come before the command:
  -db PATH       keep everything in the SQLite file at PATH
  -dsn URL       keep everything in a Postgres database, as in postgres://user@localhost/shop
  -import FILE   replay a CSV file of invoice lines, and report; examples/order/testdata/orders.csv is one
  -h             print this
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program, and returns its exit code: 1 after an error, 2 if the command line makes no sense.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	c, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(errOut, "order: %v\nRun it with -h to see how it is used.\n", err)
		return 2
	}
	if err := c.run(ctx, out, errOut); err != nil {
		fmt.Fprintf(errOut, "order: %v\n", err)
		return 1
	}
	return 0
}

// config is what the command line asks for.
type config struct {
	db, dsn string // where everything is kept; in memory if both are empty
	file    string
	rows    []orderfile.Row // of the file
	command string
	args    []string
}

func (c config) inMemory() bool { return c.db == "" && c.dsn == "" }

func parse(args []string) (config, error) {
	var c config
	flags := flag.NewFlagSet("order", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.StringVar(&c.db, "db", "", "")
	flags.StringVar(&c.dsn, "dsn", "", "")
	flags.StringVar(&c.file, "import", "", "")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if err := checkFlags(flags); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		c.command, c.args = flags.Arg(0), flags.Args()[1:]
	}
	return c, c.check()
}

// checkFlags refuses what a variable of the shell that is not set leaves of a flag.
func checkFlags(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" {
			err = fmt.Errorf("-%s is empty: give it a value or leave it out", f.Name)
		}
	})
	return err
}

func (c config) check() error {
	wanted := 0
	switch c.command {
	case "", "report", "replay":
	case "show", "forget":
		wanted = 1
	default:
		return fmt.Errorf("unknown command %q", c.command)
	}
	switch {
	case len(c.args) < wanted:
		return fmt.Errorf("%s needs the number of %s", c.command, map[string]string{"show": "an order", "forget": "a customer"}[c.command])
	case len(c.args) > wanted:
		return fmt.Errorf("%q is too much: flags come before the command", c.args[wanted])
	case c.db != "" && c.dsn != "":
		return errors.New("-db and -dsn are two places to keep things in")
	case c.command == "":
		return nil
	case c.file != "":
		return fmt.Errorf("-import and %s are two things to do", c.command)
	case c.inMemory():
		return fmt.Errorf("%s needs -db or -dsn: a new database in memory has nothing in it", c.command)
	}
	return nil
}

func (c config) run(ctx context.Context, out, errOut io.Writer) error {
	if c.command != "" && c.db != "" {
		if _, err := os.Stat(c.db); err != nil {
			return fmt.Errorf("nothing has been imported there: %w", err)
		}
	}
	if c.file != "" { // before there is a database, lest a file that is no good leaves an empty one
		var err error
		if c.rows, err = readFile(c.file); err != nil {
			return err
		}
	}
	d, err := openDesk(ctx, c)
	if err != nil {
		return err
	}
	err = c.dispatch(ctx, d, out, errOut)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %s", c.howToGoOn())
	}
	return errors.Join(err, d.close())
}

func (c config) howToGoOn() string {
	if c.inMemory() {
		return "nothing is kept of what was in memory; with -db PATH an import can be resumed"
	}
	return "what was done is stored; run the same command again to go on"
}

func (c config) dispatch(ctx context.Context, d *desk, out, errOut io.Writer) error {
	switch {
	case c.file != "":
		return d.importRows(ctx, c.file, c.rows, out, errOut)
	case c.command == "show":
		return d.show(ctx, c.args[0], out)
	case c.command == "forget":
		return d.forget(ctx, c.args[0], out)
	case c.command == "report":
		return d.report(ctx, out)
	case c.command == "replay":
		return d.replay(ctx, out)
	default:
		return d.tour(ctx, out)
	}
}
