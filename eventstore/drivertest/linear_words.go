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
	return runs(events, "e", func(e *eventstore.NewEvent) int64 { return int64(numberOf(e)) })
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

func entries(got []entry, what string, number func(e *entry) int64) string {
	if len(got) == 0 {
		return "no events"
	}
	return what + " " + runs(got, "", number)
}

// runs lists numbers, those that follow each other in one, and not all if there are many.
func runs[T any](items []T, prefix string, number func(item *T) int64) string {
	var list []string
	for i := 0; i < len(items); {
		first, n := number(&items[i]), 1
		for i+n < len(items) && number(&items[i+n]) == first+int64(n) {
			n++
		}
		text := fmt.Sprintf("%s%d", prefix, first)
		if n > 1 {
			text += fmt.Sprintf("-%s%d", prefix, first+int64(n)-1)
		}
		list, i = append(list, text), i+n
	}
	if len(list) > 15 {
		list = append(append(list[:7:7], "..."), list[len(list)-7:]...)
	}
	return strings.Join(list, " ")
}

// differences tells in what an event as it was handed out is not the one that is stored.
func differences(want, got *entry) string {
	var list []string
	tell := func(what string, want, got any) {
		if want != got {
			list = append(list, fmt.Sprintf("%s: stored %v, handed out %v", what, want, got))
		}
	}
	tell("position", want.position, got.position)
	tell("version", want.version, got.version)
	tell("stream", want.stream, got.stream)
	tell("id", want.id, got.id)
	tell("type", want.typ, got.typ)
	if list == nil {
		return "payload, schema, metadata, tags or time are not the stored ones"
	}
	return strings.Join(list, "; ")
}
