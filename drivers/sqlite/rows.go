package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// recordColumns are the columns of a record. What is text and short stands in one, with zero characters between its parts,
// as no name contains one: each text of a row costs go-sqlite3 two allocations.
const recordColumns = `global_position, version, append_size, schema_version, created_at, id || char(0) || stream_type ||
	char(0) || stream_id || char(0) || event_type || char(0) || content_type, tags, metadata, event_data`

// scanner reads rows of recordColumns. It is made once for a page. It takes the values as go-sqlite3 has made them, because
// database/sql would copy each once more, and shares the names that a row has in common with the one before it.
type scanner struct {
	record  driver.Record
	values  [9]any
	targets [9]any // pointers to values
	next    int    // column
	fits    bool
}

func newScanner() *scanner {
	s := new(scanner)
	for i := range s.values {
		s.targets[i] = &s.values[i]
	}
	return s
}

// scan returns the current row. Types that don't fit and texts that don't parse are errors: a damaged row must not pass
// for an event.
func (s *scanner) scan(rows *sqlx.Rows) (driver.Record, error) {
	if err := rows.Scan(s.targets[:]...); err != nil {
		return driver.Record{}, err
	}
	if err := s.read(); err != nil {
		return driver.Record{}, fmt.Errorf("the event at position %v has %w", s.values[0], err)
	}
	return s.record, nil
}

// read takes the values in the order of recordColumns.
func (s *scanner) read() (err error) {
	s.next, s.fits = 0, true
	r := &s.record
	r.Position, r.Version, r.AppendSize, r.Schema = s.integer(), s.integer(), int(s.integer()), int(s.integer())
	r.RecordedAt = time.UnixMicro(s.integer()).UTC()
	id, names, _ := strings.Cut(s.text(), "\x00")
	if r.ID, err = uuid.Parse(id); err != nil {
		return fmt.Errorf("a damaged id: %w", err)
	}
	readNames(names, &r.Stream.Type, &r.Stream.ID, &r.Type, &r.ContentType)
	if r.Tags, err = decodeTags(s.bytes()); err != nil {
		return fmt.Errorf("damaged tags: %w", err)
	}
	r.Metadata, r.Data = s.bytes(), s.bytes()
	if !s.fits {
		return errors.New("a value of another type than its column's")
	}
	return nil
}

// readNames takes apart the names of a row. into are those of the row before.
func readNames(names string, into ...*string) {
	for _, name := range into {
		var text string
		if text, names, _ = strings.Cut(names, "\x00"); text != *name {
			*name = strings.Clone(text)
		}
	}
}

func (s *scanner) value() any {
	s.next++
	return s.values[s.next-1]
}

func (s *scanner) integer() int64 {
	n, ok := s.value().(int64)
	s.fits = s.fits && ok
	return n
}

func (s *scanner) text() string {
	text, ok := s.value().(string)
	s.fits = s.fits && ok
	return text
}

// bytes returns text or a blob, or nil for NULL.
func (s *scanner) bytes() []byte {
	switch v := s.value().(type) {
	case nil:
		return nil
	case []byte:
		return v
	case string:
		return []byte(v)
	default:
		s.fits = false
		return nil
	}
}

func decodeTags(text []byte) (tags []string, err error) {
	if text == nil {
		return nil, nil
	}
	err = json.Unmarshal(text, &tags)
	return tags, err
}

// page reads records until one of the limits is reached, and reports whether one was. It makes room for as many as are
// expected.
func page(rows *sqlx.Rows, expected, limit, maxBytes int) (records []driver.Record, full bool, err error) {
	defer rows.Close()
	records = make([]driver.Record, 0, min(limit, expected))
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
