package drivertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tidemark-go/tidemark/eventstore"
)

// violation puts the calls that prove it into a table, in the order in which they began.
func violation(rule, text string, calls ...any) *Violation {
	v := &Violation{Rule: rule, Text: text}
	var lines []line
	for _, c := range calls {
		lines = append(lines, linesOf(c)...)
	}
	if len(lines) == 0 {
		return v
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.begin, b.begin) })
	lines = slices.CompactFunc(lines, func(a, b line) bool { return a == b })
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tticks\twho\tcall\tanswer")
	for _, l := range lines {
		fmt.Fprintf(w, "\t%s\t%s\t%s\t%s\n", l.ticks(), l.by, l.call, l.answer)
	}
	w.Flush()
	v.Text = strings.TrimSpace(text + "\n" + strings.TrimRight(out.String(), "\n"))
	return v
}

// line is a call in the table.
type line struct {
	span
	call, answer string
}

func (l *line) ticks() string {
	if l.end == never {
		return fmt.Sprintf("%d-", l.begin)
	}
	return fmt.Sprintf("%d-%d", l.begin, l.end)
}

func linesOf(c any) []line {
	switch c := c.(type) {
	case *appendCall:
		return []line{{c.span, c.words() + inTransaction(c.within), c.answer()}}
	case *readCall:
		return []line{{c.span, c.words() + inTransaction(c.within), entries(c.got, "version", func(e *entry) int64 { return e.version })}}
	case *pageCall:
		return []line{{c.span, fmt.Sprintf("page of the log after %d%s", c.after, selection(&c.opts)),
			fmt.Sprintf("%s, next %d, head %d", positions(c.got), c.next, c.head)}}
	case *subscription:
		return []line{{c.span, fmt.Sprintf("subscribe after %d%s", c.after, selection(&c.opts)), positions(c.got)}}
	case *transactionCall:
		lines := []line{{c.span, fmt.Sprintf("transaction of %d calls", len(c.steps)), c.answer()}}
		for _, step := range c.steps {
			lines = append(lines, linesOf(step)...)
		}
		return lines
	default:
		panic(fmt.Sprintf("drivertest: no words for %T", c))
	}
}

func inTransaction(t *transactionCall) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf(", in the transaction of tick %d", t.begin)
}

func (c *appendCall) words() string {
	var list []string
	for _, p := range c.parts {
		if len(p.events) == 0 {
			list = append(list, fmt.Sprintf("check %s for %s", p.stream, p.expected))
			continue
		}
		list = append(list, fmt.Sprintf("append %s to %s, %s", names(p.events), p.stream, p.expected))
	}
	return strings.Join(list, "; ")
}

// names lists events by the numbers in their payloads.
func names(events []eventstore.NewEvent) string {
	var list []string
	for i := range events {
		list = append(list, fmt.Sprintf("e%d", numberOf(&events[i])))
	}
	return strings.Join(list, " ")
}

func (c *appendCall) answer() string {
	switch c.outcome {
	case stored, duplicate:
		var list []string
		for _, r := range c.receipts {
			list = append(list, fmt.Sprintf("version %d, position %d", r.Version, r.Position))
		}
		return [...]string{stored: "stored: ", duplicate: "stored before: "}[c.outcome] + strings.Join(list, "; ")
	case conflicted:
		return fmt.Sprintf("conflict: %s is at version %d", c.conflict.Stream, c.conflict.Actual)
	case misused:
		return "the ids are taken"
	default:
		return fmt.Sprintf("outcome unknown: %v", c.err)
	}
}

func (c *transactionCall) answer() string {
	switch c.outcome {
	case stored:
		return "committed"
	case nothing:
		return fmt.Sprintf("rolled back: %v", c.err)
	default:
		return fmt.Sprintf("outcome unknown: %v", c.err)
	}
}

func (c *readCall) words() string {
	text := "read " + c.stream.String()
	for _, option := range []struct {
		name  string
		value int64
	}{{"from", c.opts.From}, {"to", c.opts.To}, {"limit", int64(c.opts.Limit)}} {
		if option.value > 0 {
			text += fmt.Sprintf(" %s %d", option.name, option.value)
		}
	}
	if c.opts.Backward {
		text += " backward"
	}
	return text
}

func selection(o *eventstore.ReadOptions) string {
	text := ""
	if o.Limit > 0 {
		text += fmt.Sprintf(", limit %d", o.Limit)
	}
	if all := slices.Concat(o.Types, o.StreamTypes); len(all) > 0 {
		text += ", only " + strings.Join(all, " and ")
	}
	return text
}

func positions(got []entry) string {
	return entries(got, "position", func(e *entry) int64 { return e.position })
}

// entries puts runs of numbers together.
func entries(got []entry, what string, number func(e *entry) int64) string {
	if len(got) == 0 {
		return "no events"
	}
	var runs []string
	for i := 0; i < len(got); {
		first, n := number(&got[i]), 1
		for i+n < len(got) && number(&got[i+n]) == first+int64(n) {
			n++
		}
		if i += n; n == 1 {
			runs = append(runs, fmt.Sprint(first))
		} else {
			runs = append(runs, fmt.Sprintf("%d-%d", first, first+int64(n)-1))
		}
	}
	if len(runs) > 15 {
		runs = append(append(runs[:7:7], "..."), runs[len(runs)-7:]...)
	}
	return what + " " + strings.Join(runs, " ")
}
