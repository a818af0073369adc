package memory

import (
	"bytes"
	"context"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// ReadStream implements driver.Store.
func (s *Store) ReadStream(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
	if err := alive(ctx); err != nil {
		return nil, err
	}
	log, positions := s.view(q.Stream)
	selected := between(positions, q.From, q.To)
	ordered := slices.All(selected)
	if q.Backward {
		ordered = slices.Backward(selected)
	}
	cut := cutter{limit: q.Limit, maxBytes: q.MaxBytes}
	for _, position := range ordered {
		if cut.add(log[position-1]) {
			break
		}
	}
	return cut.records, nil
}

// ReadAll implements driver.Store.
func (s *Store) ReadAll(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
	if err := alive(ctx); err != nil {
		return driver.Page{}, err
	}
	log, _ := s.view(driver.StreamID{})
	head := int64(len(log))
	if q.Limit == 0 {
		return driver.Page{Next: q.After, Head: head}, nil
	}
	cut := cutter{limit: q.Limit, maxBytes: q.MaxBytes}
	for _, r := range log[min(q.After, head):] {
		if selects(q, r) && cut.add(r) {
			return driver.Page{Records: cut.records, Next: r.Position, Head: head}, nil
		}
	}
	return driver.Page{Records: cut.records, Next: max(q.After, head), Head: head}, nil
}

// view returns the log and a stream's positions as of now.
func (s *Store) view(stream driver.StreamID) (log []driver.Record, positions []int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.log, s.streams[stream]
}

// between returns the positions of the versions from to to; to 0 means to the end.
func between(positions []int64, from, to int64) []int64 {
	end := int64(len(positions))
	if to > 0 {
		end = min(end, to)
	}
	if from > end {
		return nil
	}
	return positions[from-1 : end]
}

func selects(q driver.AllQuery, r driver.Record) bool {
	return (len(q.Types) == 0 || slices.Contains(q.Types, r.Type)) &&
		(len(q.StreamTypes) == 0 || slices.Contains(q.StreamTypes, r.Stream.Type))
}

// cutter collects a page.
type cutter struct {
	limit, maxBytes int
	records         []driver.Record
	bytes           int
}

// add puts a copy of r on the page and reports whether the page ends with it.
func (c *cutter) add(r driver.Record) bool {
	c.records = append(c.records, clone(r))
	c.bytes += len(r.Data)
	return len(c.records) >= c.limit || c.bytes >= c.maxBytes
}

func clone(r driver.Record) driver.Record {
	r.Event = cloneEvent(r.Event)
	return r
}

func cloneEvent(e driver.Event) driver.Event {
	e.Data = bytes.Clone(e.Data)
	e.Metadata = bytes.Clone(e.Metadata)
	e.Tags = slices.Clone(e.Tags)
	return e
}
