package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

func targetHeader() []string { return []string{"workload", "ratio", "target", "measured", "met"} }

// report prints the targets and writes the report to its file.
func (b *bench) report() error {
	fmt.Println("\nTargets")
	table := [][]string{targetHeader()}
	for _, o := range b.outcomes() {
		table = append(table, o.cells())
	}
	err := printTable(os.Stdout, table, 0)
	for _, s := range b.skipped {
		fmt.Println("  skipped:", s)
	}
	if b.out == "" {
		return err
	}
	return errors.Join(err, b.writeMarkdown())
}

func (r *result) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s  (%s)\n", r.title, r.name)
	err := printTable(out, r.rows(), tabwriter.AlignRight)
	for _, note := range r.notes {
		fmt.Fprintln(out, "  "+note)
	}
	return err
}

func printTable(out io.Writer, table [][]string, flags uint) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', flags)
	for _, line := range table {
		fmt.Fprintf(w, "%s\t\n", strings.Join(line, "\t"))
	}
	return w.Flush()
}

// writeMarkdown writes the report, and its pictures into a directory of its name.
func (b *bench) writeMarkdown() error {
	var text bytes.Buffer
	b.writeHead(&text)
	pictures := strings.TrimSuffix(b.out, filepath.Ext(b.out))
	for _, g := range b.groups() {
		fmt.Fprintf(&text, "\n## %s\n", g.title)
		name, err := g.draw(pictures)
		if err != nil {
			return err
		}
		if name != "" {
			fmt.Fprintf(&text, "\n![%s](%s/%s)\n", g.title, filepath.Base(pictures), name)
		}
		for _, r := range g.results {
			r.markdown(&text)
		}
	}
	return os.WriteFile(b.out, text.Bytes(), 0o644)
}

const preface = `# Benchmarks

Tidemark beside the widespread ways of keeping events in the same databases, and beside what these databases can do at
most, in one run. This page is written by the program in [bench](../bench); run it on your machine:

    %s

%s

- Those that are compared take turns, in at least %d rounds. Each ratio is taken within a round; what stands here is the
  median, and in brackets the lowest and the highest.
- Everybody writes the same events, of some 190 bytes of JSON and 130 of metadata, to tables with the same columns and
  indexes. After each turn the rows were counted.
- A commit is on disk when it returns: Postgres with fsync, full_page_writes and synchronous_commit on and its other
  settings as they come, SQLite with a write-ahead log and synchronous FULL.
- Tidemark does all that it does: it checks versions, refuses ids that are there already, keeps metadata, and shows its
  readers no gap. The ways check versions; the limits check nothing. All Go programs have %d connections to Postgres,
  through lib/pq.

## Targets

Ratios above 1 say that the first is faster; for latencies, that it is slower.

`

func (b *bench) writeHead(out io.Writer) {
	fmt.Fprintf(out, preface, b.command(), strings.Join(b.machine(), "; ")+".", b.scale.rounds, connections)
	table := [][]string{targetHeader()}
	for _, o := range b.outcomes() {
		table = append(table, o.cells())
	}
	writeTable(out, table, ":--", ":--", "--:", "--:", ":-:")
	for _, s := range b.skipped {
		fmt.Fprintf(out, "\nSkipped: %s.\n", s)
	}
}

func (r *result) markdown(out io.Writer) {
	fmt.Fprintf(out, "\n### %s\n\n", r.title)
	table := r.rows()
	align := []string{":--"}
	for range table[0][1:] {
		align = append(align, "--:")
	}
	writeTable(out, table, align...)
	for _, note := range r.notes {
		fmt.Fprintf(out, "\n%s.\n", strings.ToUpper(note[:1])+note[1:])
	}
}

func writeTable(out io.Writer, table [][]string, align ...string) {
	line := func(cells []string) { fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | ")) }
	line(table[0])
	line(align)
	for _, cells := range table[1:] {
		line(cells)
	}
}
