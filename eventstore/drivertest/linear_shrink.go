package drivertest

import (
	"cmp"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tidemark-go/tidemark/eventstore"
)

// shrink returns few moments of a history that has no order, which have none either: of as few streams as possible, up
// to the first answer that has no explanation, and of these only those whose time matters.
func (x streamIndex) shrink(moments []*moment) []*moment {
	moments = x.fewStreams(moments)
	moments = x.prefix(moments)
	kept := make([]bool, len(moments))
	for i := range kept {
		kept[i] = true
	}
	for size := max(1, len(moments)/2); ; size /= 2 {
		for from := 0; from < len(moments); from += size {
			tried := slices.Clone(kept)
			for i := from; i < min(from+size, len(moments)); i++ {
				tried[i] = false
			}
			if x.impossible(relaxed(moments, tried)) {
				kept = tried
			}
		}
		if size == 1 {
			break
		}
	}
	var needed []*moment
	for i, m := range moments {
		if kept[i] {
			needed = append(needed, m)
		}
	}
	return needed
}

// impossible gives the search a short time: shrinking is a courtesy.
func (x streamIndex) impossible(moments []*moment) bool {
	return x.verdict(moments, time.Second) == porcupine.Illegal
}

// relaxed leaves out the answers that are not kept, and lets the writes that are not kept happen at any time.
func relaxed(moments []*moment, kept []bool) []*moment {
	var list []*moment
	for i, m := range moments {
		if kept[i] {
			list = append(list, m)
			continue
		}
		if m.writes() {
			effects := slices.DeleteFunc(slices.Clone(m.effects), func(e effect) bool { return e.next == 0 })
			list = append(list, &moment{end: never, effects: effects, calls: m.calls})
		}
	}
	return list
}

// fewStreams looks for one stream, or two, that have no order by themselves.
func (x streamIndex) fewStreams(moments []*moment) []*moment {
	for a := range x {
		if part := within(moments, a, a); x.impossible(part) {
			return part
		}
	}
	for a := range x {
		for b := range x {
			if part := within(moments, a, b); x[a] < x[b] && x.impossible(part) {
				return part
			}
		}
	}
	return moments
}

// within is what the moments say about two streams.
func within(moments []*moment, a, b eventstore.StreamID) []*moment {
	elsewhere := func(e effect) bool { return e.stream != a && e.stream != b }
	var list []*moment
	for _, m := range moments {
		part := &moment{begin: m.begin, end: m.end, effects: slices.DeleteFunc(slices.Clone(m.effects), elsewhere), calls: m.calls}
		if !slices.ContainsFunc(m.either, elsewhere) {
			part.either = m.either
		}
		if len(part.effects)+len(part.either) > 0 {
			list = append(list, part)
		}
	}
	return list
}

// prefix ends the history with the first return after which it has no order.
func (x streamIndex) prefix(moments []*moment) []*moment {
	sorted := slices.SortedFunc(slices.Values(moments), func(a, b *moment) int { return cmp.Compare(a.end, b.end) })
	n, _ := slices.BinarySearchFunc(sorted, true, func(m *moment, _ bool) int {
		if x.impossible(until(moments, m.end)) {
			return 1
		}
		return -1
	})
	if n == len(sorted) {
		return moments
	}
	return until(moments, sorted[n].end)
}

// until is the history as it was known at a tick. What had not returned by then may have happened at any time later; of
// what only looked, that says nothing.
func until(moments []*moment, tick int64) []*moment {
	var list []*moment
	for _, m := range moments {
		switch {
		case m.end <= tick:
			list = append(list, m)
		case m.writes():
			list = append(list, &moment{begin: m.begin, end: never, effects: m.effects, either: m.either, calls: m.calls})
		}
	}
	return list
}
