// Package drivertest checks a driver against the contract: what every user of package eventstore is promised, clause by
// clause, as far as a driver can break it.
//
// A driver's tests call [Run] for the conformance suite, [RunModel] to compare the driver with another one on random
// histories, [RunHistories] to check what many clients are told at once, and [Benchmark]:
//
//	func open(ctx context.Context) (*drivertest.Database, error) {
//		return &drivertest.Database{Store: memory.New()}, nil
//	}
//
//	func TestConformance(t *testing.T)      { drivertest.Run(t, open) }
//	func BenchmarkConformance(b *testing.B) { drivertest.Benchmark(b, open) }
//
// A case that needs a capability runs when the driver's value has it, by type assertion; otherwise it is reported as
// not applicable. [Check] is the same suite for a program that has no *testing.T; the suite's own tests use it to prove,
// with a broken driver for each case, that each case can fail.
package drivertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Opener makes a new, empty database and opens it. It is called once for every case, and several cases may run at the
// same time.
type Opener func(ctx context.Context) (*Database, error)

// Database is what a case works on. Only Store is required; without the others, the cases that need them are not
// applicable.
type Database struct {
	// Store is a handle on the database, with its tables in place. The suite closes it.
	Store driver.Store
	// Reopen opens one more handle on the same database, as another process would do, or the same one after a restart:
	// it is called while other handles are open, and after all were closed. The suite closes what it returns. Where the
	// database locks its file for one opener, handles may share what is opened, with a count, or this is nil.
	Reopen func(ctx context.Context) (driver.Store, error)
	// Restore dumps the database, restores the dump into a new one, and opens that. The suite closes what it returns.
	Restore func(ctx context.Context) (driver.Store, error)
	// OneWriter says that a transaction that has written makes every other writer wait, as in SQLite. Cases that hold
	// such a transaction open while others write are not applicable then.
	OneWriter bool
	// OneConnection says that the handle has a single connection, so that every call outside of an open transaction waits
	// for its end. What others see while a transaction is open is not looked at then.
	OneConnection bool
	// Damage makes the stored event at this version of a stream unreadable, behind the driver's back. It leaves something in
	// its place: that an event is gone altogether, nobody who reads the log can see, since positions have gaps.
	Damage func(ctx context.Context, stream driver.StreamID, version int64) error
	// Disconnect breaks the connections of all handles, including those of calls under way. The handles connect again
	// by themselves.
	Disconnect func(ctx context.Context) error
	// Remove frees what Open took, after every handle was closed.
	Remove func() error
}

// Options adjusts Check. The zero value works.
type Options struct {
	// Only names the clauses to check, as "A2", or single cases, as "A2/one appender wins". Default: all.
	Only []string
	// Patience is how long a case waits for what must happen, all in all, and then for each thing that it has to close.
	// Default: 2 minutes.
	Patience time.Duration
}

// Failure is a case that a driver failed.
type Failure struct {
	Clause string // its number
	Text   string // what it promises
	Case   string // which consequence of it did not hold
	Err    error  // what happened instead
}

// Error implements error.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s: %s\n\t%s\n\tbut: %v", f.Clause, f.Text, f.Case, f.Err)
}

// Unwrap implements errors.Is and errors.As.
func (f *Failure) Unwrap() error { return f.Err }

// Clause is a promise and the names of the cases that check it.
type Clause struct {
	ID, Text string
	Cases    []string
}

// Clauses lists what the suite checks.
func Clauses() []Clause {
	var list []Clause
	for _, c := range clauses() {
		var names []string
		for _, one := range c.cases {
			names = append(names, one.name)
		}
		list = append(list, Clause{ID: c.id, Text: c.text, Cases: names})
	}
	return list
}

// Run checks a driver as one subtest a clause, with a subtest a case, in parallel. What is not applicable is skipped, with
// what it needs, and in the end the log counts all that was. The environment variable DRIVERTEST_PATIENCE, as 5s, says how
// long a case waits for what must happen; see Options.Patience.
func Run(t *testing.T, open Opener) {
	t.Helper()
	var unmet needs
	patience := patienceOf(t)
	t.Cleanup(func() { t.Log(unmet.summary()) })
	for _, c := range clauses() {
		t.Run(c.id, func(t *testing.T) {
			t.Parallel()
			for _, one := range c.cases {
				t.Run(one.name, func(t *testing.T) {
					t.Parallel()
					n, err := c.check(t.Context(), open, one, patience)
					switch {
					case err != nil:
						t.Error(err)
					case n != "":
						unmet.add(n)
						t.Skipf("not applicable: needs %s", n)
					}
				})
			}
		})
	}
}

// Check checks a driver case by case and returns a *Failure for each that it failed, joined. Cases that are not
// applicable count as passed.
func Check(ctx context.Context, open Opener, opts *Options) error {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if err := o.unknown(); err != nil {
		return err
	}
	var errs []error
	for _, c := range clauses() {
		for _, one := range c.cases {
			if o.selects(c.id, one.name) {
				_, err := c.check(ctx, open, one, o.Patience)
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// unknown returns an error for names in Only that nothing has: a check of nothing must not pass.
func (o *Options) unknown() error {
	var errs []error
	for _, name := range o.Only {
		if !slices.ContainsFunc(clauses(), func(c clause) bool { return c.has(name) }) {
			errs = append(errs, fmt.Errorf("drivertest: no clause and no case has the name %q", name))
		}
	}
	return errors.Join(errs...)
}

// defaultPatience bounds a case that hangs. It is no measure: a case that passes never waits for it.
const defaultPatience = 2 * time.Minute

const patienceVariable = "DRIVERTEST_PATIENCE"

// patienceOf returns the patience that the environment asks for, or the default.
func patienceOf(t *testing.T) time.Duration {
	text := os.Getenv(patienceVariable)
	if text == "" {
		return defaultPatience
	}
	patience, err := time.ParseDuration(text)
	if err != nil || patience <= 0 {
		t.Fatalf("%s is %q: want a duration, as 5s", patienceVariable, text)
	}
	return patience
}

func (o *Options) selects(id, name string) bool {
	return len(o.Only) == 0 || slices.Contains(o.Only, id) || slices.Contains(o.Only, id+"/"+name)
}
