package drivertest

import (
	"slices"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func a13() clause {
	return clause{id: "A13", text: "Stream ids of any text work (unicode, quotes, slashes, 200 bytes), and two that differ in " +
		"case or in trailing space are two streams.",
		cases: []testCase{
			{name: "each of many odd ids is a stream of its own", run: oddStreams},
			{name: "one commit to many odd streams", run: oddStreamsTogether},
		}}
}

// separators are what a driver may be tempted to put between a stream's type and its id to make one text of them. Only the
// hyphen can't stand in a type.
func separators() []string {
	return []string{"/", ":", ".", "|", "_", " ", ",", ";", "#", "@", "\x01", "\x1f"}
}

// oddStreamIDs pairs each odd text with a plain one, and joins that look alike: "ab"+"c" and "a"+"bc", and with every
// separator between them.
func oddStreamIDs() []driver.StreamID {
	list := []driver.StreamID{{Type: "ab", ID: "c"}, {Type: "a", ID: "bc"}, {Type: "a", ID: "b-c"}, {Type: "a", ID: "-"}}
	for _, s := range separators() {
		list = append(list, driver.StreamID{Type: "a" + s + "b", ID: "c"}, driver.StreamID{Type: "a", ID: "b" + s + "c"})
	}
	for _, text := range oddTexts() {
		list = append(list, driver.StreamID{Type: "note", ID: text})
		if !strings.Contains(text, "-") {
			list = append(list, driver.StreamID{Type: text, ID: "note"})
		}
	}
	return list
}

func oddStreams(p *probe) {
	streams := oddStreamIDs()
	added := events(len(streams))
	for i, stream := range streams {
		receipt := p.append(stream, driver.NoStream, added[i])
		p.equal(int64(1), receipt.Version, "version of stream %q after its first append", stream)
	}
	p.ownEvents(streams, added)
}

func oddStreamsTogether(p *probe) {
	streams := oddStreamIDs()
	added := events(len(streams))
	writes := make([]driver.Write, len(streams))
	for i, stream := range streams {
		writes[i] = write(stream, driver.NoStream, added[i])
	}
	_, err := p.commit(p.ctx, writes...)
	p.ok(err, "commit to %d streams at once", len(streams))
	p.ownEvents(streams, added)
}

// ownEvents ends the case unless each stream holds its event alone, under its name, and the log all in this order.
func (p *probe) ownEvents(streams []driver.StreamID, added []driver.Event) {
	var all []driver.Record
	for i, stream := range streams {
		stored := p.stream(stream)
		p.sameEvents(added[i:i+1], stored, "a stream")
		p.equal(stream, stored[0].Stream, "the stream's name")
		all = slices.Concat(all, stored)
	}
	p.sameRecords(all, p.log(), "the log, compared with the streams")
}
