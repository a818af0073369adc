package postgres

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const contentTypeJSON = "application/json"

// payload tells how the bytes of a payload or of a snapshot's state are stored: one of the two, or none for nil. JSON
// in a broken encoding, which encoding/json lets pass, is none to PostgreSQL.
func payload(contentType string, data []byte) (json, hexadecimal *string) {
	switch {
	case data == nil:
		return nil, nil
	case contentType == contentTypeJSON && utf8.Valid(data):
		return text(data), nil
	default:
		s := hex.EncodeToString(data)
		return nil, &s
	}
}

func text(b []byte) *string {
	s := string(b)
	return &s
}

func metadataText(e *driver.Event) *string {
	if len(e.Metadata) == 0 {
		return nil
	}
	return text(e.Metadata)
}

func tagsText(e *driver.Event) *string {
	if e.Tags == nil {
		return nil
	}
	s := texts(e.Tags)
	return &s
}

// timestamp writes a time as PostgreSQL reads it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999Z07:00") }

// checkTags refuses what a text[] can't hold.
func checkTags(writes []driver.Write) error {
	bad := func(tag string) bool { return !utf8.ValidString(tag) || strings.ContainsRune(tag, 0) }
	for i := range writes {
		for j := range writes[i].Events {
			if k := slices.IndexFunc(writes[i].Events[j].Tags, bad); k >= 0 {
				return fmt.Errorf("tag %q: PostgreSQL stores UTF-8 without NUL only", writes[i].Events[j].Tags[k])
			}
		}
	}
	return nil
}

// appendArgs returns the parameters of appendOne or appendMany.
func appendArgs(writes []driver.Write, events int, g guards) []any {
	if len(writes) == 1 && events == 1 {
		return appendOneArgs(&writes[0], g.shared[0])
	}
	return appendManyArgs(writes, g.shared)
}

func appendOneArgs(w *driver.Write, guard int32) []any {
	e := &w.Events[0]
	low, high := bounds(w.Expected)
	json, hexadecimal := payload(e.ContentType, e.Data)
	return []any{w.Stream.Type, w.Stream.ID, low, high, int64(guard), e.ID.String(), e.Type, int64(e.Schema), e.ContentType,
		json, hexadecimal, metadataText(e), tagsText(e), timestamp(e.RecordedAt)}
}

// appendColumns are the parameters of appendMany.
type appendColumns struct {
	streamType, streamID, low, high            array // an element for each write that has events
	write, nth, size, id, typ, schema, content array // and one for each event
	json, bytes, metadata, tags, recordedAt    array
}

func appendManyArgs(writes []driver.Write, guard []int32) []any {
	var c appendColumns
	n := int64(0)
	for i := range writes {
		if w := &writes[i]; len(w.Events) > 0 {
			n++
			c.addWrite(n, w)
		}
	}
	args := []any{c.streamType.String(), c.streamID.String(), c.low.String(), c.high.String(), integers(guard)}
	for _, column := range []*array{&c.write, &c.nth, &c.size, &c.id, &c.typ, &c.schema, &c.content, &c.json, &c.bytes,
		&c.metadata, &c.tags, &c.recordedAt} {
		args = append(args, column.String())
	}
	return args
}

func (c *appendColumns) addWrite(n int64, w *driver.Write) {
	low, high := bounds(w.Expected)
	c.streamType.text(w.Stream.Type)
	c.streamID.text(w.Stream.ID)
	c.low.integer(low)
	c.high.integer(high)
	size := int64(len(w.Events))
	for i := range w.Events {
		c.write.integer(n)
		c.nth.integer(int64(i + 1))
		c.size.integer(size)
		size = 0 // only the first event carries it
		c.addEvent(&w.Events[i])
	}
}

func (c *appendColumns) addEvent(e *driver.Event) {
	json, hexadecimal := payload(e.ContentType, e.Data)
	if hexadecimal != nil {
		*hexadecimal = `\x` + *hexadecimal
	}
	c.id.plain(e.ID.String())
	c.typ.text(e.Type)
	c.schema.integer(int64(e.Schema))
	c.content.text(e.ContentType)
	c.json.textOrNull(json)
	c.bytes.textOrNull(hexadecimal)
	c.metadata.textOrNull(metadataText(e))
	c.tags.textOrNull(tagsText(e))
	c.recordedAt.text(timestamp(e.RecordedAt))
}
