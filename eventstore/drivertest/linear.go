package drivertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// HistoryOptions adjusts CheckHistory and RunHistories. The zero value works.
type HistoryOptions struct {
	// Seed decides what the clients do, though not how their calls interleave. Default: a random one, or the environment
	// variable DRIVERTEST_SEED.
	Seed uint64
	// Clients is how many append, read and run transactions at once. Default: 6.
	Clients int
	// Calls is how many each of them makes in a round. Default: 40.
	Calls int
	// Rounds is the number of histories, one after the other on one database, each on streams of its own. Default: 3.
	Rounds int
	// Duration, if set, is how long to go on with further rounds, instead of counting them.
	Duration time.Duration
	// Disturb, if set, runs beside the clients of each round until its context ends, and may cut connections or stop the
	// server for a while. Calls may then fail with driver.ErrUnavailable, and their outcome is unknown; without it, and
	// without Database.Disconnect, such an error is a violation. It returns nil, or why it could not do its work.
	Disturb func(ctx context.Context) error
}

func (o *HistoryOptions) orDefaults() HistoryOptions {
	var full HistoryOptions
	if o != nil {
		full = *o
	}
	full.Clients = cmp.Or(full.Clients, 6)
	full.Calls = cmp.Or(full.Calls, 40)
	full.Rounds = cmp.Or(full.Rounds, 3)
	for full.Seed == 0 {
		full.Seed = rand.Uint64()
	}
	return full
}

// Violation is a promise that a history shows broken.
type Violation struct {
	Seed  uint64
	Round int    // from 1
	Rule  string // the promise's name, see Rules
	Text  string // what happened, and the calls that prove it
}

// Error implements error.
func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d, round %d: broken: %s: %s\n%s", v.Seed, v.Round, v.Rule, textOf(v.Rule), v.Text)
}

// RunHistories has clients append, read and subscribe at the same time, through the portable store and through every
// handle that the database offers, records each call and its answer, and checks them all against [Rules]. The seed is
// logged; the environment variable DRIVERTEST_SEED repeats it.
func RunHistories(t *testing.T, open Opener, opts *HistoryOptions) {
	t.Helper()
	o := opts.orDefaults()
	if seed, ok := seedOf(t); ok {
		o.Seed = seed
	}
	rounds, calls, err := checkHistories(t.Context(), open, o)
	t.Logf("seed %d: %d rounds, %d calls", o.Seed, rounds, calls)
	if err != nil {
		t.Errorf("%v\nrepeat it with %s=%d, some times: the seed does not decide how calls interleave", err, seedVariable, o.Seed)
	}
}

// CheckHistory is RunHistories without a *testing.T. It returns a *Violation at the first promise that is broken, or
// another error if the database can't be opened or closed.
func CheckHistory(ctx context.Context, open Opener, opts *HistoryOptions) error {
	_, _, err := checkHistories(ctx, open, opts.orDefaults())
	return err
}

func checkHistories(ctx context.Context, open Opener, o HistoryOptions) (rounds, calls int, err error) {
	p, err := newProbe(ctx, open, defaultPatience)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	began := time.Now()
	var before *round
	for more := true; more; {
		rounds++
		before, err = p.round(&o, rounds, before)
		calls += before.rec.calls()
		if err != nil {
			return rounds, calls, err
		}
		more = rounds < o.Rounds
		if o.Duration > 0 {
			more = time.Since(began) < o.Duration
		}
	}
	return rounds, calls, nil
}

// round makes one history and checks it, after it has looked for that of the round before, if there was one.
func (p *probe) round(o *HistoryOptions, number int, before *round) (*round, error) {
	r, err := newRound(p, o, number)
	if err == nil && before != nil {
		err = r.remembers(before)
	}
	if err == nil {
		err = r.play()
	}
	if err == nil {
		err = r.judge()
	}
	var v *Violation
	if errors.As(err, &v) {
		v.Seed, v.Round = o.Seed, number
	}
	return r, err
}
