package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func deadLetters() clause {
	needs := []need{deadLetterer}
	return clause{id: "DeadLetterer", text: "SaveDeadLetter stores a note, or replaces the one with the same projection and " +
		"position. DeleteDeadLetter removes one; if there is none, it does nothing. DeadLetters returns those of a projection " +
		"after a position, in order of position, limit at most.",
		cases: []testCase{
			{name: "a note comes back as it was saved, whatever it holds", needs: needs, run: deadRoundtrip},
			{name: "saving again replaces all of it", needs: needs, run: deadReplaced},
			{name: "a list is in order, and in pages", needs: needs, run: deadPages},
			{name: "each projection has its own", needs: needs, run: deadPerProjection},
			{name: "what is deleted is gone, and nothing else", needs: needs, run: deadDeleted},
		}}
}

func deadLetter(projection string, position int64) driver.DeadLetter {
	return driver.DeadLetter{Projection: projection, Position: position, Stream: named("a"), Version: position, Type: "noted",
		Error: "no such account", Tries: 3, FirstAt: someTime, LastAt: someTime.Add(time.Microsecond)}
}

func (h *handle) saveDead(ctx context.Context, d driver.DeadLetter) {
	err := retryRace(ctx, func() error { return h.drv.(driver.DeadLetterer).SaveDeadLetter(ctx, d) })
	h.p.ok(err, "save a dead letter of %q at position %d", d.Projection, d.Position)
}

func (h *handle) deleteDead(ctx context.Context, projection string, position int64) {
	err := retryRace(ctx, func() error { return h.drv.(driver.DeadLetterer).DeleteDeadLetter(ctx, projection, position) })
	h.p.ok(err, "delete the dead letter of %q at position %d", projection, position)
}

// deadAre ends the case unless these are a projection's dead letters.
func (h *handle) deadAre(ctx context.Context, projection string, want ...driver.DeadLetter) {
	got, err := h.drv.(driver.DeadLetterer).DeadLetters(ctx, projection, 0, plenty)
	h.p.ok(err, "list the dead letters of %q", projection)
	h.p.sameDead(want, got, "dead letters of %q", projection)
}

func (p *probe) sameDead(want, got []driver.DeadLetter, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	for i := range min(len(want), len(got)) {
		p.ok(compareDead(want[i], got[i]), "%s: number %d of %d", what, i+1, len(want))
	}
	p.equal(len(want), len(got), "%s: how many", what)
}

func compareDead(want, got driver.DeadLetter) error {
	times := errors.Join(compareTime("first at", want.FirstAt, got.FirstAt), compareTime("last at", want.LastAt, got.LastAt))
	want.FirstAt, want.LastAt = got.FirstAt, got.LastAt
	if times == nil && want != got {
		return differ("dead letter", fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got))
	}
	return times
}

func deadRoundtrip(p *probe) {
	var all []driver.DeadLetter
	add := func(change func(d *driver.DeadLetter)) {
		d := deadLetter("p", int64(len(all)+1)<<33)
		change(&d)
		p.saveDead(p.ctx, d)
		all = append(all, d)
	}
	for _, text := range append(oddTexts(), "", "line\nbreak", strings.Repeat("日", 2700)) {
		add(func(d *driver.DeadLetter) { d.Error = text })
		if text != "" && len(text) < 256 {
			add(func(d *driver.DeadLetter) { d.Stream.ID, d.Type, d.Request, d.Skipped = text, text, text, true })
		}
	}
	for _, e := range times() {
		add(func(d *driver.DeadLetter) { d.FirstAt, d.LastAt = e.RecordedAt, e.RecordedAt })
	}
	p.deadAre(p.ctx, "p", all...)
}

func deadReplaced(p *probe) {
	p.saveDead(p.ctx, deadLetter("p", 1))
	p.saveDead(p.ctx, deadLetter("p", 2))
	again := driver.DeadLetter{Projection: "p", Position: 1, Stream: driver.StreamID{Type: "t", ID: "i"}, Version: 9, Type: "other",
		Skipped: true, Request: "retry", Error: "", Tries: 0, FirstAt: someTime.Add(time.Hour), LastAt: someTime.Add(2 * time.Hour)}
	p.saveDead(p.ctx, again)
	p.deadAre(p.ctx, "p", again, deadLetter("p", 2))
	p.saveDead(p.ctx, deadLetter("p", 1))
	p.deadAre(p.ctx, "p", deadLetter("p", 1), deadLetter("p", 2))
}

func deadPages(p *probe) {
	const n = 7
	var all []driver.DeadLetter
	for i := range int64(n) {
		p.saveDead(p.ctx, deadLetter("p", 10*(1+i*3%n))) // in another order than that of their positions
		all = append(all, deadLetter("p", 10*(i+1)))
	}
	for _, after := range []int64{0, 9, 10, 11, 10 * (n - 1), 10 * n, 10*n + 1} {
		for _, limit := range []int{1, 2, n - 1, n, n + 1} {
			from := min(int(after/10), n)
			got, err := p.drv.(driver.DeadLetterer).DeadLetters(p.ctx, "p", after, limit)
			p.ok(err, "list %d dead letters after position %d", limit, after)
			p.sameDead(all[from:min(from+limit, n)], got, "up to %d dead letters after position %d, of %d", limit, after, n)
		}
	}
}

func deadPerProjection(p *probe) {
	for i, name := range oddTexts() {
		p.deadAre(p.ctx, name)
		p.saveDead(p.ctx, deadLetter(name, int64(i+1)))
	}
	for i, name := range oddTexts() {
		p.deadAre(p.ctx, name, deadLetter(name, int64(i+1)))
	}
}

func deadDeleted(p *probe) {
	for _, projection := range []string{"p", "q"} {
		for position := range int64(3) {
			p.saveDead(p.ctx, deadLetter(projection, position+1))
		}
	}
	for _, position := range []int64{2, 2, 4} {
		p.deleteDead(p.ctx, "p", position)
	}
	p.deleteDead(p.ctx, "none", 1)
	p.deadAre(p.ctx, "p", deadLetter("p", 1), deadLetter("p", 3))
	p.deadAre(p.ctx, "q", deadLetter("q", 1), deadLetter("q", 2), deadLetter("q", 3))
}
