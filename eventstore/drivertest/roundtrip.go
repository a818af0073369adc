package drivertest

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func a12() clause {
	return clause{id: "A12", text: "Ids, types, tags, metadata (empty, unicode, NUL, 64 KB), times (UTC, microseconds) and " +
		"payload bytes come back as they went in; the caller's slices and maps are neither kept nor changed.",
		cases: []testCase{
			{name: "JSON payloads come back byte for byte", run: roundtrip(jsonPayloads)},
			{name: "payloads of other content types come back byte for byte", run: roundtrip(binaryPayloads)},
			{name: "content types come back as they were", run: roundtrip(contentTypes)},
			{name: "metadata comes back byte for byte", run: roundtrip(metadata)},
			{name: "tags come back as they were, in their order", run: roundtrip(tags)},
			{name: "types, schema versions and ids come back as they were", run: roundtrip(identities)},
			{name: "times come back in UTC, to the microsecond", run: roundtrip(times)},
			{name: "the caller's slices are not changed", run: argumentsUnchanged},
			{name: "the caller's slices are not kept", run: argumentsNotKept},
			{name: "what is returned is the caller's", run: resultsAreTheCallers},
		}}
}

// roundtrip stores variants of an event and expects them back on all three ways.
func roundtrip(variants func() []driver.Event) func(p *probe) {
	return func(p *probe) {
		list := variants()
		p.append(named("a"), driver.NoStream, list...)
		p.sameEvents(list, p.stream(named("a")), "the stream")
		p.sameEvents(list, p.log(), "the log")
		_, err := p.commit(p.ctx, write(named("a"), driver.Any, list...))
		p.duplicate(err, p.stream(named("a")), "append the same events again")
	}
}

func (p *probe) sameEvents(want []driver.Event, got []driver.Record, what string) {
	p.equal(len(want), len(got), "number of events in %s", what)
	for i, e := range want {
		p.ok(compareEvent(e, got[i].Event), "event %d in %s", i+1, what)
	}
}

// vary returns an event for each value, set by set.
func vary[T any](values []T, set func(e *driver.Event, v T)) []driver.Event {
	list := make([]driver.Event, len(values))
	for i, v := range values {
		list[i] = event("noted")
		set(&list[i], v)
	}
	return list
}

// oddJSON is what a database that parses JSON is tempted to tidy up.
func oddJSON() []string {
	return []string{
		`{"b":1,"a":2}`,
		` { "spaced" :  [ 1 ,2 ] } `,
		"{\n\t\"lines\": true\r\n}\n",
		`{"same":1,"same":2}`,
		`{}`,
		`{"big":123456789012345678901234567890.10,"exp":1E400,"small":-0.0,"zero":0e0}`,
		`{"nul":"a\u0000b","escaped":"\u00e9\/\b\f\n","lone":"\ud800","pair":"\ud83d\ude00"}`,
		`{"unicode":"é e` + "\u0301" + ` 日本 😀 ` + "\u2028\ufeff\ufffe" + `"}`,
		`{"quotes":"it's \"quoted\" \\ $1 %s ? ;--"}`,
		`{"nested":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
		`{"long":"` + strings.Repeat("0123456789abcdef", 64<<10/16) + `"}`,
	}
}

func jsonPayloads() []driver.Event {
	odd := append(oddJSON(), `null`, `true`, `0`, `-12.50`, `""`, `"text"`, ` [] `)
	return vary(odd, func(e *driver.Event, v string) { e.Data = []byte(v) })
}

func binaryPayloads() []driver.Event {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	payloads := [][]byte{all, {}, {0}, {0, 0, 0}, {0xff}, []byte("plain text"), []byte(`\x00\\`), []byte(` {"b":1, "a":2}`),
		bytes.Repeat(all, 256)}
	var list []driver.Event
	for _, contentType := range []string{"application/octet-stream", "application/x-protobuf", "text/plain; charset=utf-8", "x"} {
		list = append(list, vary(payloads, func(e *driver.Event, v []byte) { e.ContentType, e.Data = contentType, v })...)
	}
	return list
}

// contentTypes are texts of any kind: a codec's author chooses them.
func contentTypes() []driver.Event {
	odd := append(oddTexts(), "Application/JSON", "application/json ", " application/json", "application/json; charset=UTF-8", "text/plain;q=\"a b\"")
	return vary(odd, func(e *driver.Event, v string) { e.ContentType, e.Data = v, []byte{0, 0xff} })
}

func metadata() []driver.Event {
	list := vary(oddJSON(), func(e *driver.Event, v string) { e.Metadata = []byte(v) })
	empty := vary([][]byte{nil, {}}, func(e *driver.Event, v []byte) { e.Metadata = v })
	return append(list, empty...)
}

// oddTexts keeps to the rules for stored names: non-empty UTF-8 without NUL of at most 255 bytes.
func oddTexts() []string {
	return []string{"b", "a", "B", "b ", " b", "b\t", "é", "e\u0301", "日本", "😀", "a/b\\c", `it's "quoted"`, "a,b", "{a}", "NULL",
		"null", "%", "_", "*", "a-b", "1", "01", "1.0", "line\nbreak\r\n", "\x01\x7f", "\ufeff", "\u200b", strings.Repeat("x", 255),
		strings.Repeat("日", 85), "$1", "?", ":name", "--", ";"}
}

func tags() []driver.Event {
	sets := [][]string{nil, {}, {"b", "a"}, {"a", "a"}, oddTexts()}
	for _, text := range oddTexts() {
		sets = append(sets, []string{text})
	}
	return vary(sets, func(e *driver.Event, v []string) { e.Tags = v })
}

func identities() []driver.Event {
	list := vary(oddTexts(), func(e *driver.Event, v string) { e.Type = v })
	list = append(list, vary([]int{1, 2, 300, 70_000, math.MaxInt32}, func(e *driver.Event, v int) { e.Schema = v })...)
	v7 := uuid.Must(uuid.NewV7())
	unusual := []uuid.UUID{v7, uuid.Max, {15: 1}, uuid.NewSHA1(v7, []byte("a"))}
	return append(list, vary(unusual, func(e *driver.Event, v uuid.UUID) { e.ID = v })...)
}

func times() []driver.Event {
	list := []time.Time{
		someTime, someTime.Add(time.Microsecond), someTime.Truncate(time.Second), someTime.Truncate(24 * time.Hour),
		time.Unix(0, 0).UTC(), time.Unix(0, -1000).UTC(),
		time.Date(1900, time.January, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(2024, time.February, 29, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2262, time.April, 12, 0, 0, 0, 0, time.UTC),
		time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
	return vary(list, func(e *driver.Event, v time.Time) { e.RecordedAt = v })
}

func fullEvent() driver.Event {
	e := event("noted")
	e.Data, e.Metadata, e.Tags = []byte(`{"n": 1, "a": 2}`), []byte(`{"k": "v", "a": "b"}`), []string{"y", "x"}
	return e
}

func copyOf(e driver.Event) driver.Event {
	e.Data, e.Metadata, e.Tags = bytes.Clone(e.Data), bytes.Clone(e.Metadata), slices.Clone(e.Tags)
	return e
}

// scribble changes all that e refers to.
func scribble(e *driver.Event) {
	for _, b := range [][]byte{e.Data, e.Metadata} {
		for i := range b {
			b[i] = ' '
		}
	}
	clear(e.Tags)
}

func argumentsUnchanged(p *probe) {
	e, other := fullEvent(), fullEvent()
	want, wantOther := copyOf(e), copyOf(other)
	writes := []driver.Write{write(named("b"), driver.Any, e, other), write(named("a"), driver.Any)}
	_, err := p.commit(p.ctx, writes...)
	p.ok(err, "append 2 events")
	p.equal([]driver.Write{write(named("b"), driver.Any, want, wantOther), write(named("a"), driver.Any)}, writes,
		"the caller's writes after Commit")

	types, streamTypes := []string{"z", "noted", "a"}, []string{"z", "note", "a"}
	q := driver.AllQuery{Types: types, StreamTypes: streamTypes, Limit: 10, MaxBytes: manyBytes}
	_, err = readPage(p.ctx, p.drv, q)
	p.ok(err, "read the log with a filter")
	p.equal([]string{"z", "noted", "a"}, types, "the caller's types after ReadAll")
	p.equal([]string{"z", "note", "a"}, streamTypes, "the caller's stream types after ReadAll")
}

func argumentsNotKept(p *probe) {
	e := fullEvent()
	want := copyOf(e)
	p.append(named("a"), driver.NoStream, e)
	scribble(&e)
	p.sameEvents([]driver.Event{want}, p.stream(named("a")), "the stream, after the caller changed the slices of the append")
}

func resultsAreTheCallers(p *probe) {
	e := fullEvent()
	p.append(named("a"), driver.NoStream, e)
	scribbled := append(p.stream(named("a")), p.log()...)
	_, err := p.commit(p.ctx, write(named("a"), driver.Any, e))
	scribbled = append(scribbled, storedIn(err)...)
	p.equal(3, len(scribbled), "records from the stream, the log and a DuplicateError")
	for i := range scribbled {
		scribble(&scribbled[i].Event)
	}
	want := []driver.Event{e}
	p.sameEvents(want, p.stream(named("a")), "the stream, after the caller changed what was returned before")
	p.sameEvents(want, p.log(), "the log, after the caller changed what was returned before")
}
