package main

import "time"

// scale is how large everything is.
type scale struct {
	name   string
	rounds int
	turn   time.Duration // of one entrant in one round, where the time is fixed
	log    int           // events in the log that is read
	writes int           // events projected into a SQL read model
	pings  int           // events whose way to the handlers is timed
	loss   time.Duration // for how long writers and a reader race
	growth []int         // events in the stores that are compared, the smallest first; it takes long, so none in standard
}

func chooseScale(quick, full bool, rounds int) scale {
	s := scale{name: "standard", rounds: 3, turn: 800 * time.Millisecond, log: 500_000, writes: 20_000, pings: 60,
		loss: time.Second}
	switch {
	case quick:
		s.name, s.turn, s.log, s.writes, s.pings = "quick", 500*time.Millisecond, 50_000, 10_000, 50
		s.loss, s.growth = time.Second, []int{10_000, 100_000}
	case full:
		s.name, s.rounds, s.turn, s.writes, s.pings = "full", 5, 2*time.Second, 50_000, 200
		s.loss, s.growth = 2*time.Second, []int{100_000, 1_000_000, 10_000_000}
	}
	if rounds > 0 {
		s.rounds = rounds
	}
	return s
}
