package sqlite

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// recordColumns are what scanRecord reads.
const recordColumns = `global_position, version, stream_type, stream_id, append_size, id, event_type, schema_version,
	content_type, created_at, tags, metadata, event_data`

// scanRecord reads the current row. Types that don't fit and texts that don't parse are errors: a damaged row must not
// pass for an event.
func scanRecord(rows *sqlx.Rows) (r driver.Record, err error) {
	var id string
	var createdAt int64
	var tags []byte
	err = rows.Scan(&r.Position, &r.Version, &r.Stream.Type, &r.Stream.ID, &r.AppendSize, &id, &r.Type, &r.Schema,
		&r.ContentType, &createdAt, &tags, &r.Metadata, &r.Data)
	if err != nil {
		return r, err
	}
	if r.ID, err = uuid.Parse(id); err != nil {
		return r, fmt.Errorf("the event at position %d has a damaged id: %w", r.Position, err)
	}
	if r.Tags, err = decodeTags(tags); err != nil {
		return r, fmt.Errorf("the event at position %d has damaged tags: %w", r.Position, err)
	}
	r.RecordedAt = time.UnixMicro(createdAt).UTC()
	return r, nil
}

// page reads records until one of the limits is reached, and reports whether one was.
func page(rows *sqlx.Rows, limit, maxBytes int) (records []driver.Record, full bool, err error) {
	defer rows.Close()
	bytes := 0
	for !full && rows.Next() {
		r, err := scanRecord(rows)
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
