package postgres

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// recordColumns are the columns of a record, of which the short ones stand in one: time, id, and four names that end at
// a zero byte, as no name contains one. They are in the form in which PostgreSQL sends them to clients that ask for its
// binary format, which lib/pq does for bytea and numbers only. Reading a row like this takes the client half the time
// and the server none more. A NULL among them makes it all NULL, which no event is.
const recordColumns = `global_position, version, append_size, schema_version,
	timestamptz_send(created_at) || uuid_send(id) || textsend(stream_type) || E'\\x00'::bytea || textsend(stream_id) ||
		E'\\x00'::bytea || textsend(event_type) || E'\\x00'::bytea || textsend(content_type) AS head,
	event_data, event_bytes, metadata, tags`

// scanner reads rows of recordColumns. Names that a row has in common with the one before it they share.
type scanner struct {
	record                                    driver.Record
	head, json, binary, metadata, tags, names sql.RawBytes // valid until the next row
	into                                      []any
}

func newScanner() *scanner {
	s := new(scanner)
	r := &s.record
	s.into = []any{&r.Position, &r.Version, &r.AppendSize, &r.Schema, &s.head, &s.json, &s.binary, &s.metadata, &s.tags}
	return s
}

// scan returns the current row.
func (s *scanner) scan(rows *sql.Rows) (driver.Record, error) {
	if err := rows.Scan(s.into...); err != nil {
		return driver.Record{}, err
	}
	r := &s.record
	if err := s.readHead(); err != nil {
		return driver.Record{}, fmt.Errorf("the event at position %d is damaged: %w", r.Position, err)
	}
	data := s.json
	if data == nil {
		data = s.binary
	}
	r.Data, r.Metadata = copyBoth(data, s.metadata)
	r.Tags = nil
	if s.tags != nil {
		if err := (*pq.StringArray)(&r.Tags).Scan([]byte(s.tags)); err != nil {
			return driver.Record{}, err
		}
	}
	return *r, nil
}

// Microseconds from 1970 to 2000, from when PostgreSQL counts them.
const epoch = 946_684_800_000_000

const headNumbers = 8 + 16 // bytes of time and id

func (s *scanner) readHead() error {
	if len(s.head) < headNumbers {
		return errors.New("one of created_at, id, stream_type, stream_id, event_type and content_type is missing")
	}
	r := &s.record
	r.RecordedAt = time.UnixMicro(int64(binary.BigEndian.Uint64(s.head)) + epoch).UTC()
	copy(r.ID[:], s.head[8:])
	s.names = s.head[headNumbers:]
	for _, name := range []*string{&r.Stream.Type, &r.Stream.ID, &r.Type, &r.ContentType} {
		s.readName(name)
	}
	return nil
}

func (s *scanner) readName(name *string) {
	var text []byte
	text, s.names, _ = bytes.Cut(s.names, []byte{0})
	if *name != string(text) {
		*name = string(text)
	}
}

// copyBoth copies two byte slices into one piece of memory. A nil one stays nil.
func copyBoth(a, b []byte) (copyOfA, copyOfB []byte) {
	both := make([]byte, len(a)+len(b))
	n := copy(both, a)
	copy(both[n:], b)
	if a != nil {
		copyOfA = both[:n:n]
	}
	if b != nil {
		copyOfB = both[n:]
	}
	return copyOfA, copyOfB
}
