package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const recordColumns = `global_position, version, stream_type, stream_id, append_size, id, event_type, schema_version,
	content_type, created_at, tags, metadata, event_data`

// scanner reads rows of recordColumns. It is made once for a page.
type scanner struct {
	record    driver.Record
	id, tags  sql.RawBytes
	createdAt int64
	targets   []any
}

func newScanner() *scanner {
	s := new(scanner)
	r := &s.record
	s.targets = []any{&r.Position, &r.Version, &r.Stream.Type, &r.Stream.ID, &r.AppendSize, &s.id, &r.Type, &r.Schema,
		&r.ContentType, &s.createdAt, &s.tags, &r.Metadata, &r.Data}
	return s
}

// scan returns the current row. Types that don't fit and texts that don't parse are errors: a damaged row must not pass
// for an event.
func (s *scanner) scan(rows *sqlx.Rows) (driver.Record, error) {
	if err := rows.Scan(s.targets...); err != nil {
		return driver.Record{}, err
	}
	r := s.record
	var err error
	if r.ID, err = uuid.ParseBytes(s.id); err != nil {
		return r, fmt.Errorf("the event at position %d has a damaged id: %w", r.Position, err)
	}
	if r.Tags, err = decodeTags(s.tags); err != nil {
		return r, fmt.Errorf("the event at position %d has damaged tags: %w", r.Position, err)
	}
	r.RecordedAt = time.UnixMicro(s.createdAt).UTC()
	return r, nil
}

// page reads records until one of the limits is reached, and reports whether one was.
func page(rows *sqlx.Rows, limit, maxBytes int) (records []driver.Record, full bool, err error) {
	defer rows.Close()
	s, bytes := newScanner(), 0
	for !full && rows.Next() {
		r, err := s.scan(rows)
		if err != nil {
			return nil, false, err
		}
		records = append(records, r)
		bytes += len(r.Data)
		full = len(records) >= limit || bytes >= maxBytes
	}
	if err := rows.Err(); err != nil {
		return nil, false, err
	}
	return records, full, nil
}

// payload returns an event's or a snapshot's data as it is stored: JSON as text, so that SQL can look into it, anything
// else as a blob. Text that is not valid UTF-8 is left a blob: only that keeps every byte whatever the database's
// encoding is.
func payload(contentType string, data []byte) any {
	switch {
	case contentType == "application/json" && utf8.Valid(data):
		return string(data)
	case data == nil:
		return []byte{} // nil would be NULL
	default:
		return data
	}
}

func encodeTags(tags []string) (any, error) {
	if tags == nil {
		return nil, nil
	}
	for _, tag := range tags {
		if !utf8.ValidString(tag) {
			return nil, fmt.Errorf("tag %q is not valid UTF-8", tag)
		}
	}
	text, err := json.Marshal(tags)
	return string(text), err
}

func decodeTags(text []byte) (tags []string, err error) {
	if text == nil {
		return nil, nil
	}
	err = json.Unmarshal(text, &tags)
	return tags, err
}

// jsonArray turns texts into a parameter for json_each: a statement with any number of them stays the same statement.
func jsonArray(texts []string) (string, error) {
	text, err := json.Marshal(texts)
	return string(text), err
}
