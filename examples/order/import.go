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
	"github.com/tidemark-go/tidemark/examples/order/sales"
	"github.com/tidemark-go/tidemark/projection"
)

// importFile replays a file, with the projection running beside it, and accounts for every row.
func (d *desk) importFile(ctx context.Context, c config, out, errOut io.Writer) error {
	rows, err := readFile(c.file)
	if err != nil {
		return err
	}
	invoices, total := orderfile.Invoices(rows), orderfile.Total(rows)
	fmt.Fprintf(out, "%s: %s rows, %s invoices, %v pounds\n", c.file, order.Thousands(total.Rows),
		order.Thousands(len(invoices)), total.Amount)

	var result orderfile.Result
	err = d.project(ctx, func(*projection.Runner) (err error) {
		progress, began := newProgress(errOut, len(invoices)), time.Now()
		result, err = orderfile.Import(ctx, d.orders, invoices, &orderfile.Options{Progress: progress.show})
		progress.end()
		fmt.Fprintf(out, "%s invoices in %v: %s a second\n", order.Thousands(result.Invoices),
			time.Since(began).Round(time.Millisecond), perSecond(result.Invoices, began))
		return err
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("interrupted after %d of %d invoices. %s", result.Invoices, len(invoices), c.howToGoOn())
	}
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

func (c config) howToGoOn() string {
	if c.db == "" {
		return "Nothing of it is kept: with -db PATH an import can be resumed"
	}
	return "They are stored: run the same command again to go on"
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

// replay builds the read model again.
func (d *desk) replay(ctx context.Context, out io.Writer) error {
	before, err := sales.Total(ctx, d.db)
	if err != nil {
		return err
	}
	if err := sales.Reset(ctx, d.store); err != nil {
		return err
	}
	began := time.Now()
	if err := d.project(ctx, func(*projection.Runner) error { return nil }); err != nil {
		return err
	}
	head, err := d.store.Head(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The read model was thrown away at %v pounds and built again from %s events in %v: %s a second\n",
		before, order.Thousands(head), time.Since(began).Round(time.Millisecond), perSecond(int(head), began))
	return d.report(ctx, out)
}
