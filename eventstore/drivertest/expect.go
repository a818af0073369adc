package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// fail ends the case.
func (p *probe) fail(format string, args ...any) {
	panic(failed{fmt.Errorf(format, args...)})
}

// ok ends the case if err is not nil; the text says what was tried.
func (p *probe) ok(err error, format string, args ...any) {
	if err != nil {
		panic(failed{fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)})
	}
}

// that ends the case unless the condition holds; the text says what is wrong.
func (p *probe) that(holds bool, format string, args ...any) {
	if !holds {
		p.fail(format, args...)
	}
}

// equal ends the case unless both are deeply equal; the text says what they are.
func (p *probe) equal(want, got any, format string, args ...any) {
	if !reflect.DeepEqual(want, got) {
		p.fail("%s: want %v, got %v", fmt.Sprintf(format, args...), brief(want), brief(got))
	}
}

// is ends the case unless err wraps target; the text says what failed.
func (p *probe) is(err, target error, format string, args ...any) {
	if !errors.Is(err, target) {
		p.fail("%s: want an error that wraps %q, got %v", fmt.Sprintf(format, args...), target, brief(err))
	}
}

// conflict ends the case unless err is a *driver.ConflictError with this stream and version.
func (p *probe) conflict(err error, stream driver.StreamID, actual int64, format string, args ...any) {
	var conflict *driver.ConflictError
	if !errors.As(err, &conflict) {
		p.fail("%s: want a *driver.ConflictError, got %v", fmt.Sprintf(format, args...), brief(err))
	}
	p.equal(driver.ConflictError{Stream: stream, Actual: actual}, *conflict, format+": conflict", args...)
}

// duplicate ends the case unless err is a *driver.DuplicateError with these records.
func (p *probe) duplicate(err error, stored []driver.Record, format string, args ...any) {
	var duplicate *driver.DuplicateError
	if !errors.As(err, &duplicate) {
		p.fail("%s: want a *driver.DuplicateError, got %v", fmt.Sprintf(format, args...), brief(err))
	}
	p.sameRecords(stored, duplicate.Stored, "%s: DuplicateError.Stored", fmt.Sprintf(format, args...))
}

// storedIn returns the records of a *driver.DuplicateError, nil for any other error.
func storedIn(err error) []driver.Record {
	var duplicate *driver.DuplicateError
	if errors.As(err, &duplicate) {
		return duplicate.Stored
	}
	return nil
}

// sameRecords ends the case unless the records are equal, byte for byte.
func (p *probe) sameRecords(want, got []driver.Record, format string, args ...any) {
	if err := compareRecords(want, got); err != nil {
		p.fail("%s: %w", fmt.Sprintf(format, args...), err)
	}
}

func compareRecords(want, got []driver.Record) error {
	for i := range min(len(want), len(got)) {
		if err := compareRecord(want[i], got[i]); err != nil {
			return fmt.Errorf("record %d of %d: %w", i+1, len(want), err)
		}
	}
	if len(want) != len(got) {
		return fmt.Errorf("want %d records, got %d", len(want), len(got))
	}
	return nil
}

func compareRecord(want, got driver.Record) error {
	if want.Position != got.Position || want.Version != got.Version || want.Stream != got.Stream ||
		want.AppendSize != got.AppendSize {
		return fmt.Errorf("want position %d, version %d, stream %q, append size %d; got position %d, version %d, stream %q, append size %d",
			want.Position, want.Version, want.Stream, want.AppendSize, got.Position, got.Version, got.Stream, got.AppendSize)
	}
	return compareEvent(want.Event, got.Event)
}

// compareEvent takes nil and empty for the same.
func compareEvent(want, got driver.Event) error {
	switch {
	case want.ID != got.ID:
		return differ("id", want.ID, got.ID)
	case want.Type != got.Type:
		return differ("type", want.Type, got.Type)
	case want.Schema != got.Schema:
		return differ("schema", want.Schema, got.Schema)
	case want.ContentType != got.ContentType:
		return differ("content type", want.ContentType, got.ContentType)
	case !bytes.Equal(want.Data, got.Data):
		return differ("data", want.Data, got.Data)
	case !bytes.Equal(want.Metadata, got.Metadata):
		return differ("metadata", want.Metadata, got.Metadata)
	case !slices.Equal(want.Tags, got.Tags):
		return differ("tags", want.Tags, got.Tags)
	}
	return compareTime("time", want.RecordedAt, got.RecordedAt)
}

func compareTime(what string, want, got time.Time) error {
	if !want.Equal(got) || got.Location() != time.UTC {
		return differ(what, want, got)
	}
	return nil
}

func differ(what string, want, got any) error {
	return fmt.Errorf("%s: want %v, got %v", what, brief(want), brief(got))
}

// brief is v for an error's text: quoted if it is one, cut if it is long.
func brief(v any) string {
	const most = 300
	format := "%v"
	switch v.(type) {
	case string, []byte, []string:
		format = "%q"
	case error:
		format = "%[1]T: %[1]v"
	}
	if s := fmt.Sprintf(format, v); len(s) > most {
		return fmt.Sprintf("%s... (%d bytes)", s[:most], len(s))
	} else {
		return s
	}
}
