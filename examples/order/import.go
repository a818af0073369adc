package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/orderfile"
	"github.com/tidemark-go/tidemark/projection"
)

// importRows replays the rows of a file, with the projection running beside it, and accounts for every one.
func (d *desk) importRows(ctx context.Context, path string, rows []orderfile.Row, out, errOut io.Writer) error {
	invoices, total := orderfile.Invoices(rows), orderfile.Total(rows)
	fmt.Fprintf(out, "%s: %s rows, %s invoices, %v pounds\n", path, order.Thousands(total.Rows),
		order.Thousands(len(invoices)), total.Amount)

	var result orderfile.Result
	err := d.project(ctx, func(*projection.Runner) (err error) {
		progress, began := newProgress(errOut, len(invoices)), time.Now()
		result, err = orderfile.Import(ctx, d.orders, invoices, &orderfile.Options{Progress: progress.show})
		progress.end()
		fmt.Fprintf(out, "%s of %s invoices in %v: %s a second\n", order.Thousands(result.Invoices),
			order.Thousands(len(invoices)), time.Since(began).Round(time.Millisecond), perSecond(result.Invoices, began))
		return err
	})
	if err != nil {
		return err
	}
	printAccount(out, result, total)
	return d.report(ctx, out)
}

func readFile(path string) ([]orderfile.Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	rows, err := orderfile.Read(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

func perSecond(n int, since time.Time) string {
	return order.Thousands(int(float64(n) / time.Since(since).Seconds()))
}

// printAccount shows what became of the file's rows.
func printAccount(out io.Writer, r orderfile.Result, file orderfile.Tally) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(t orderfile.Tally, text string) {
		fmt.Fprintf(w, "%s\t%v\t  %s\n", order.Thousands(t.Rows), t.Amount, text)
	}
	fmt.Fprint(w, "\nrows\tpounds\t\n")
	line(r.Recorded, "recorded")
	line(r.Known, "known from an earlier import")
	for _, reason := range slices.Sorted(maps.Keys(r.Refused)) {
		refused := r.Refused[reason]
		line(refused.Tally, fmt.Sprintf("refused: %v (%s)", reason, some(refused.Lines)))
	}
	line(r.Total(), "together")
	line(file, "in the file")
	w.Flush()
}

// some lists the first numbers of lines.
func some(lines []int) string {
	const most = 5
	slices.Sort(lines)
	if len(lines) == 1 {
		return fmt.Sprintf("line %d", lines[0])
	}
	var list []string
	for _, n := range lines[:min(most, len(lines))] {
		list = append(list, strconv.Itoa(n))
	}
	text := "lines " + strings.Join(list, ", ")
	if more := len(lines) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
