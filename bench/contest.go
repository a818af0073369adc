package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// contest is one workload, and what is compared in it.
type contest struct {
	name  string // such as postgres/append-1/64
	title string
	unit  string // of the samples' values
	lower bool   // the lower value is the better one
	more  int    // rounds beside those of the scale, where the disk's moods make rounds differ a lot
	// enter makes the entrants. What they hold is given back by way of b.later.
	enter func(ctx context.Context, b *bench) ([]entrant, error)
}

// kind tells whose way an entrant goes.
type kind int

const (
	ours  kind = iota // Tidemark, through its public API
	way               // a widespread way, with the same guarantees unless its note says otherwise
	limit             // what the database or the encoding can do, without being an event store
)

// entrant is one way of doing a contest's work.
type entrant struct {
	name string
	kind kind
	// turn works for one round, then checks that what is stored is what was written.
	turn func(ctx context.Context) (sample, error)
}

// sample is what came out of a turn.
type sample struct {
	value    float64
	p50, p99 time.Duration // of a single call, where that is measured
	of       int           // what the value is a part of, where it is one
}

// perSecond is the sample of n things done in a time.
func perSecond(n int, took time.Duration) sample { return sample{value: float64(n) / took.Seconds()} }

// result is a contest that was held.
type result struct {
	contest
	entrants []entrant
	samples  [][]sample // by entrant, then by round
	notes    []string
}

// hold has the entrants take turns. The order turns around with every round, so that nobody always has the cold start.
func (b *bench) hold(ctx context.Context, c contest) error {
	if !b.only.MatchString(c.name) {
		return nil
	}
	defer b.release()
	b.notes = nil
	entrants, err := c.enter(ctx, b)
	if err != nil || len(entrants) == 0 {
		b.skip(b.notes...)
		return err
	}
	r := &result{contest: c, entrants: entrants, samples: make([][]sample, len(entrants))}
	for round := range b.scale.rounds + c.more {
		if err := b.checkpoint(ctx); err != nil {
			return err
		}
		for _, i := range turns(len(entrants), round) {
			s, err := entrants[i].turn(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", entrants[i].name, err)
			}
			r.samples[i] = append(r.samples[i], s)
		}
	}
	r.notes = b.notes
	b.results = append(b.results, r)
	return r.print(os.Stdout)
}

func turns(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// find returns the samples of an entrant, nil if it did not take part.
func (r *result) find(entrant string) []sample {
	for i, e := range r.entrants {
		if e.name == entrant {
			return r.samples[i]
		}
	}
	return nil
}
