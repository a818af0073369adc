package drivertest_test

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// storedIn returns the records of a *driver.DuplicateError, nil for any other error.
func storedIn(err error) []driver.Record {
	var duplicate *driver.DuplicateError
	if errors.As(err, &duplicate) {
		return duplicate.Stored
	}
	return nil
}

// duplicates has f change what a *driver.DuplicateError says about the writes.
func (b *broken) duplicates(f func(stored []driver.Record, writes []driver.Write) []driver.Record) {
	b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		receipts, err := b.toyHandle.Commit(ctx, writes)
		if stored := storedIn(err); stored != nil {
			err = &driver.DuplicateError{Stored: f(stored, writes)}
		}
		return receipts, err
	}
}

func retryFlaws() []flaw {
	return slices.Concat(reportFlaws(), identityFlaws())
}

func reportFlaws() []flaw {
	return []flaw{
		{name: "it looks for conflicts before duplicates", catches: []catch{
			{"A6/a retry with any expected version", "conflict"},
			{"A6/the stored events are reported in order of position, before any conflict", "want a *driver.DuplicateError"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				for _, w := range writes {
					if actual := b.versionOf(ctx, w.Stream); !w.Expected.Met(actual) {
						return nil, &driver.ConflictError{Stream: w.Stream, Actual: actual}
					}
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{name: "it reports the duplicates of one stream only", catches: []catch{
			{"A6/a retry of writes to several streams", "event id already used"},
		}, spoil: func(b *broken) {
			b.duplicates(func(stored []driver.Record, writes []driver.Write) []driver.Record {
				return slices.DeleteFunc(stored, func(r driver.Record) bool { return r.Stream != writes[0].Stream })
			})
		}},
		{name: "it reports a duplicate as the database does", catches: []catch{
			{"A6/retries at the same time", "violates unique constraint"},
			{"T2/after a duplicate", "want a *driver.DuplicateError"},
		}, spoil: func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				receipts, err := b.toyHandle.Commit(ctx, writes)
				if storedIn(err) != nil {
					err = errRaw
				}
				return receipts, err
			}
		}},
		{name: "it knows the ids of its own time only", catches: []catch{
			{"A6/a retry after a restart", "want {note-a 3 3 true}, got {note-a 6 6 false}"},
		}, spoil: func(b *broken) {
			if len(b.db.log) > 0 {
				b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
					return b.toyHandle.Commit(ctx, expecting(withNewIDs(writes), anyVersion))
				}
			}
		}},
	}
}

// withNewIDs makes other events of what is written.
func withNewIDs(writes []driver.Write) []driver.Write {
	writes = slices.Clone(writes)
	for i, w := range writes {
		writes[i].Events = slices.Clone(w.Events)
		for j := range w.Events {
			writes[i].Events[j].ID = uuid.New()
		}
	}
	return writes
}

func identityFlaws() []flaw {
	return []flaw{
		{name: "it takes the caller's word for what is stored", catches: []catch{
			{"A7/the same id with other content", "append with another payload"},
		}, spoil: func(b *broken) {
			b.duplicates(func(stored []driver.Record, writes []driver.Write) []driver.Record {
				for i := range stored {
					stored[i].Event = writes[0].Events[i]
				}
				return stored
			})
		}},
		{name: "it takes the caller's stream for the one that holds the events", catches: []catch{
			{"A7/the same id in another stream", "the ids of events of another stream"},
		}, spoil: func(b *broken) {
			b.duplicates(func(stored []driver.Record, writes []driver.Write) []driver.Record {
				for i := range stored {
					stored[i].Stream = writes[0].Stream
				}
				return stored
			})
		}},
		{name: "it takes the retry's size for the first append's", catches: []catch{
			{"A7/a part of an earlier batch, and more than it", "the start of an earlier batch"},
		}, spoil: func(b *broken) {
			b.duplicates(func(stored []driver.Record, writes []driver.Write) []driver.Record {
				stored[0].AppendSize = len(writes[0].Events)
				return stored
			})
		}},
	}
}
