package main

import "fmt"

// target is what Tidemark is to reach: a ratio of two entrants of one contest.
type target struct {
	contest string
	of      string // an entrant
	to      string // another one
	want    float64
	atMost  bool // the ratio is to be that or lower; else that or higher
}

func targets() []target {
	list := []target{
		{contest: "postgres/append-1/64", to: namePgbench, want: 1.5},
		{contest: "postgres/append-1/8", to: namePgbench, want: 0.75},
		{contest: "postgres/append-1/1", to: namePgbench, want: 0.75},
		{contest: "postgres/append-1/1", to: nameTemplate, want: 2.3},
		{contest: "postgres/append-10/8", to: nameCopy, want: 0.4},
		{contest: "sqlite/append-1/1", to: nameRawOne, want: 0.8},
		{contest: "sqlite/append-1/8", to: nameRawOne, want: 2.2},
		{contest: "sqlite/append-1/64", to: nameRawOne, want: 4.5},
	}
	for _, w := range pgWays() {
		if w.serialises() {
			list = append(list, target{contest: "postgres/append-1/64", to: w.name, want: 8},
				target{contest: "postgres/append-1/8", to: w.name, want: 2.5})
		}
	}
	for _, dbms := range databases() {
		list = append(list, targetsOf(dbms)...)
	}
	list = append(list, target{contest: "postgres/latency", of: nameFollower, to: nameNotify, want: 3, atMost: true})
	return list
}

// targetsOf are those that a database has in common with the other.
func targetsOf(dbms string) []target {
	return []target{
		{contest: dbms + "/read-log", to: nameSelectJSON, want: 1.3},
		{contest: dbms + "/load/10", to: nameSelectJSON, want: 0.8},
		{contest: dbms + "/load/100", to: nameSelectJSON, want: 0.9},
		{contest: dbms + "/load/1000", to: nameSelectJSON, want: 1},
		{contest: dbms + "/project-counter", to: nameReading, want: 0.8},
		{contest: dbms + "/project-sql", to: nameBareWrites, want: 0.7},
		{contest: dbms + "/latency", of: nameSubscriber, to: nameAppend, want: 1, atMost: true},
		{contest: dbms + "/growth-append", of: growthName(10_000_000), to: growthName(100_000), want: 0.8},
		{contest: dbms + "/growth-tail", of: growthName(10_000_000), to: growthName(100_000), want: 0.8},
	}
}

// outcome is a target beside what was measured.
type outcome struct {
	target
	title string
	got   spread
}

// outcomes returns those that this run has something to say about.
func (b *bench) outcomes() []outcome {
	var list []outcome
	for _, t := range targets() {
		if t.of == "" {
			t.of = nameTidemark
		}
		for _, r := range b.results {
			of, to := r.find(t.of), r.find(t.to)
			if r.name == t.contest && of != nil && to != nil {
				list = append(list, outcome{target: t, title: r.title, got: ratio(of, to)})
			}
		}
	}
	return list
}

func (o outcome) met() bool {
	if o.atMost {
		return o.got.median <= o.want
	}
	return o.got.median >= o.want
}

// cells are an outcome's line of the table.
func (o outcome) cells() []string {
	sign, met := "≥", "no"
	if o.atMost {
		sign = "≤"
	}
	if o.met() {
		met = "yes"
	}
	return []string{o.title, o.of + " / " + o.to, fmt.Sprintf("%s %v", sign, o.want), o.got.String(), met}
}
