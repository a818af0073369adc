package main

import (
	"fmt"
	"time"
)

// rows are a result as a table: a header, then a line for each entrant.
func (r *result) rows() [][]string {
	verdict := "Tidemark / it"
	if r.lower {
		verdict = "it / Tidemark"
	}
	table := [][]string{{"", r.unit, "lowest", "highest", "median call", "99 %", "of", verdict}}
	base := r.find(nameTidemark)
	for i, e := range r.entrants {
		table = append(table, r.row(e, r.samples[i], base))
	}
	return withoutEmpty(table)
}

func (r *result) row(e entrant, samples, base []sample) []string {
	v := spreadOf(values(samples))
	versus := ""
	if e.name != nameTidemark && base != nil {
		versus = r.compare(base, samples).String()
	}
	return []string{e.name, number(v.median), number(v.low), number(v.high),
		short(medianOf(samples, func(s sample) time.Duration { return s.p50 })),
		short(medianOf(samples, func(s sample) time.Duration { return s.p99 })), whole(samples), versus}
}

// whole shows what the values are a part of.
func whole(samples []sample) string {
	sum := 0
	for _, s := range samples {
		sum += s.of
	}
	if sum == 0 {
		return ""
	}
	return thousands(sum / len(samples))
}

// compare is above 1 where Tidemark is better.
func (r *result) compare(base, other []sample) spread {
	if r.lower {
		return ratio(other, base)
	}
	return ratio(base, other)
}

// withoutEmpty drops columns that say nothing.
func withoutEmpty(table [][]string) [][]string {
	for c := len(table[0]) - 1; c > 0; c-- {
		empty := true
		for _, line := range table[1:] {
			empty = empty && line[c] == ""
		}
		for i := range table {
			if empty {
				table[i] = append(table[i][:c:c], table[i][c+1:]...)
			}
		}
	}
	return table
}

// number shows three digits, and all of a larger one.
func number(v float64) string {
	switch {
	case v >= 100:
		return thousands(int(v + 0.5))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v == 0:
		return "0"
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
