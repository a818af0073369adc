package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// rows are a result as a table: a header, then a line for each entrant.
func (r *result) rows() [][]string {
	table := [][]string{{"", r.unit, "lowest", "highest", "median call", "99 %", "Tidemark / it"}}
	if r.lower {
		table[0][6] = "it / Tidemark"
	}
	base := r.find(nameTidemark)
	for i, e := range r.entrants {
		v := spreadOf(values(r.samples[i]))
		line := []string{e.name, number(v.median), number(v.low), number(v.high),
			short(medianOf(r.samples[i], func(s sample) time.Duration { return s.p50 })),
			short(medianOf(r.samples[i], func(s sample) time.Duration { return s.p99 })), ""}
		if e.name != nameTidemark && base != nil {
			line[6] = r.compare(base, r.samples[i]).String()
		}
		table = append(table, line)
	}
	return withoutEmpty(table)
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
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func (r *result) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s  (%s)\n", r.title, r.name)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, line := range r.rows() {
		fmt.Fprintf(w, "%s\t\n", strings.Join(line, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, note := range r.notes {
		fmt.Fprintln(out, "  "+note)
	}
	return nil
}

func (b *bench) report() error { return nil }
